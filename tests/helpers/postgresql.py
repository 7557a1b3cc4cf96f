"""PostgreSQL databases for tests. A ledger that a test is done with is emptied for another: to create and migrate a
database takes longer than most tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from digestbot.ledger import Ledger, schema

_spare: dict[str, list[str]] = {}  # server -> its databases with a ledger that no test uses now

# what a test may have altered beside the rows
_SHAPE = sa.text("""
    SELECT (SELECT md5(string_agg(concat(attrelid::regclass, attname, attnotnull, atttypid), ',' ORDER BY attrelid, attnum))
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            WHERE relnamespace = 'public'::regnamespace AND attnum > 0),
           (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
           (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
           (SELECT count(*) FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
            WHERE relnamespace = 'public'::regnamespace),
           (SELECT md5(string_agg(concat(conname, conrelid::regclass), ',' ORDER BY oid)) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace),
           (SELECT md5(string_agg(adbin::text, ',' ORDER BY oid)) FROM pg_attrdef),
           (SELECT count(*) FROM pg_db_role_setting
            WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),
           (SELECT version_num FROM alembic_version)
""")
_shapes: dict[str, tuple[object, ...]] = {}  # database -> its shape when it was new
_EMPTY = "; ".join(
    [
        f"DELETE FROM {table.name}"
        for table in reversed(schema.metadata.sorted_tables)
        if table.name != "alembic_version"
    ]
    + ["SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'"]
)


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """A database without tables, for the length of a test."""
    name = f"test_{uuid.uuid4().hex}"
    _administer(server, f"CREATE DATABASE {name}")
    yield _url(server, name)
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def ledger_database(server: str) -> Iterator[str]:
    """A database with the ledger's tables and no rows, for the length of a test."""
    spare = _spare.setdefault(server, [])
    while spare:
        name = spare.pop()
        if _emptied(server, name):  # now, when nothing of the test before is left that could write
            break
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")
    else:
        name = f"test_{uuid.uuid4().hex}"
        _administer(server, f"CREATE DATABASE {name}")
        ledger = Ledger(_url(server, name))
        ledger.prepare()
        with ledger.begin() as tx:
            _shapes[name] = tuple(tx.execute(_SHAPE).one())
            tx.exec_driver_sql(_EMPTY)
        ledger.close()
    yield _url(server, name)
    spare.append(name)


def drop_spare_databases() -> None:
    """Leave nothing behind on a server that outlives the tests."""
    for server, names in _spare.items():
        for name in names:
            _administer(server, f"DROP DATABASE {name} WITH (FORCE)")
    _spare.clear()


def _emptied(server: str, name: str) -> bool:
    """Empty the ledger; return False if a test has done more to the database than to write rows."""
    _administer(server, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    engine = sa.create_engine(_url(server, name), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            if tuple(connection.execute(_SHAPE).one()) != _shapes[name]:
                return False
            connection.exec_driver_sql(_EMPTY)
    except sa.exc.DBAPIError:  # without its tables, for example
        return False
    return True


def _url(server: str, name: str) -> str:
    address = sa.make_url(server).set(drivername="postgresql+psycopg", database=name)
    return address.render_as_string(hide_password=False)


def _administer(server: str, statement: str) -> None:
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
