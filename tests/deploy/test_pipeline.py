"""The pipeline process: what ends it."""

import os
import subprocess
import sys
from pathlib import Path

DYING_THREAD = """
import sys
from deploy import pipeline
from deploy.settings import load
from ingest.pruning import Pruner

def die(self):
    raise RuntimeError("retention is broken")

Pruner._run = die
pipeline.rehearse = lambda *_: None
pipeline._PATIENCE = 0.0
sys.exit(pipeline.run_pipeline(load()))
"""


def test_a_thread_that_dies_ends_the_process_with_its_error(tmp_path: Path) -> None:
    nowhere = {
        "CITYVITALS_DATABASE_URL": "postgresql://cityvitals@127.0.0.1:1/nowhere",
        "CITYVITALS_MQTT_URL": "mqtt://127.0.0.1:1",
        "CITYVITALS_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", DYING_THREAD]
    done = subprocess.run(
        command, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "the pipeline stopped: retention is broken" in done.stderr
