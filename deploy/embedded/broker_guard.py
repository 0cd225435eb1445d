"""Who may publish what on the embedded broker, as Mosquitto's dynamic-security plugin reads it. Pure, but for chance.

Devices stay anonymous and may publish anywhere except where only the system itself speaks: else any client could show a
city that is not, command the pipeline, or tell a gateway that readings are committed which nobody has. The pipeline and
the API log in. The plugin, because an ACL file cannot forbid writing what all may read.
"""

import base64
import hashlib
import json
import secrets
from typing import Any

from deploy.settings import BROKER_USER
from devices.topics import SYSTEM_TOPICS

_ITERATIONS = 1000  # the password is random: there is no dictionary to slow down
_SYSTEM, _DEVICE, _DEVICES = "system", "device", "devices"


def rules(password: str) -> str:
    """The plugin's configuration: ``BROKER_USER`` may publish all, clients without a name not as the system."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    client = {
        "username": BROKER_USER,
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ITERATIONS,
        "roles": [{"rolename": _SYSTEM}],
    }
    denied = [_denied(topic) for topic in SYSTEM_TOPICS]
    return json.dumps(
        {
            "defaultACLAccess": dict.fromkeys(
                ("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), True
            ),
            "clients": [client],
            "groups": [{"groupname": _DEVICES, "roles": [{"rolename": _DEVICE}], "clients": []}],
            "roles": [{"rolename": _SYSTEM, "acls": []}, {"rolename": _DEVICE, "acls": denied}],
            "anonymousGroup": _DEVICES,
        },
        indent=1,
    )


def _denied(topic: str) -> dict[str, Any]:
    return {"acltype": "publishClientSend", "topic": topic, "priority": 0, "allow": False}
