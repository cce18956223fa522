"""The journal of transactions over several shards (CONTRACT.md section 14), as far as one needs it who never writes one."""

import sqlite3
from pathlib import Path

from errors import Refused
from layout import JOURNAL, JOURNAL_APPLICATION_ID, JOURNAL_SCHEMA
from shard import connect_read_only, schema_texts


def refuse_unfinished(directory: Path, applied: list[int]) -> None:
    """Refuses a stash whose journal has something that a shard does not have."""
    path = directory / JOURNAL
    if not path.exists() or path.stat().st_size == 0:
        return
    connection = connect_read_only(path)
    try:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        if application_id != JOURNAL_APPLICATION_ID or schema_texts(connection) != JOURNAL_SCHEMA:
            raise Refused("NotAStash", "the journal is another program's database")
        for shard, number in connection.execute("SELECT shard, max(id) FROM intents GROUP BY shard"):
            if number > applied[shard]:
                raise Refused("ReadOnly", f"transaction {number} has to be finished in shard {shard:x}")
    except sqlite3.DatabaseError as error:
        raise Refused("NotAStash", f"the journal: {error}") from error
    finally:
        connection.close()
