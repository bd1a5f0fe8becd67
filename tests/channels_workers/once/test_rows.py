import uuid

from channels_workers.once.rows import key_of, migrate_command


def test_keys_are_regular_uuids() -> None:
    """MariaDB refuses others."""
    for number in range(100):
        key = key_of(f"{number}", 1)
        assert (key.variant, key.version) == (uuid.RFC_4122, 4)


def test_each_call_in_a_run_has_its_key() -> None:
    keys = [key_of("id", 1), key_of("id", 2), key_of("ID", 1), key_of("id.1", 1)]
    assert len(set(keys)) == 4
    assert key_of("id", 2) == key_of("id", 2)


def test_the_command_names_the_database() -> None:
    assert migrate_command("default") == "manage.py migrate"
    assert migrate_command("other") == "manage.py migrate --database=other"
