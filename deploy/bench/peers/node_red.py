"""Peer: Node-RED 4 with the PostgreSQL client `pg`, as a flow without an editor; written out as its two files.

Node-RED acknowledges a message when it arrives, before it is stored, and cannot do otherwise: it gets that for free.
"""

import json
from pathlib import Path
from typing import Any

_START = """
const pool = new pg.Pool({connectionString: env.get("DATABASE_URL"), max: 10});
context.set("pool", pool);
context.set("streams", JSON.parse(env.get("STREAMS")));
"""
_STORE = """
const [, , kind, device] = msg.topic.split("/");
const stream = context.get("streams")[kind], value = msg.payload;
const pick = path => path.reduce((v, step) => v == null ? null : v[step], value) ?? null;
await context.get("pool").query({name: kind, text: stream.pg,
    values: [value.dateObserved, value.seq, ...stream.paths.map(pick), device]});
"""
_SETTINGS = """
module.exports = {
    uiPort: %d, uiHost: "127.0.0.1", httpAdminRoot: false, httpNodeRoot: false,
    flowFile: %s, credentialSecret: false, functionExternalModules: true,
    externalModules: {autoInstall: false}, logging: {console: {level: "warn"}},
    mqttReconnectTime: 1000, diagnostics: {enabled: false}, telemetry: {enabled: false}
};
"""


def write(folder: Path, configuration: dict[str, Any], port: int) -> Path:
    """Write flow and settings; returns the settings file to start Node-RED with."""
    flow = [
        {"id": "tab", "type": "tab", "label": "store"},
        {
            "id": "broker",
            "type": "mqtt-broker",
            "broker": configuration["host"],
            "port": str(configuration["port"]),
            "clientid": configuration["client"],
            "autoConnect": True,
            "usetls": False,
            "protocolVersion": "5",
            "keepalive": "60",
            "cleansession": False,
            "sessionExpiry": "3600",
            "userProps": json.dumps({}),
        },
        {
            "id": "in",
            "type": "mqtt in",
            "z": "tab",
            "topic": configuration["topic"],
            "qos": "1",
            "datatype": "json",
            "broker": "broker",
            "inputs": 0,
            "wires": [["store"]],
        },
        {
            "id": "store",
            "type": "function",
            "z": "tab",
            "func": _STORE,
            "initialize": _START,
            "finalize": "",
            "outputs": 0,
            "libs": [{"var": "pg", "module": "pg"}],
            "wires": [],
        },
    ]
    flow_file = folder / "flow.json"
    flow_file.write_text(json.dumps(flow))
    settings = folder / "settings.js"
    settings.write_text(_SETTINGS % (port, json.dumps(str(flow_file))))
    return settings
