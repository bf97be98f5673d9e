"""Features on disk: what was written is read again, to float16's precision, by any process.

Damage is noticed and repaired.
"""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

from hvpkit.features import store as store_module
from hvpkit.features.store import RECORD_DTYPE, FeatureLayout, FeatureStore

SHAPE = FeatureLayout((3, 5), (4, 4))
ROW = SHAPE.dtype.itemsize


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def levels(number: int, size: float = 1.0) -> tuple[np.ndarray, ...]:
    chance = np.random.default_rng(number)
    return tuple(
        chance.normal(0, size, (channels, cells)).astype(np.float32)
        for channels, cells in zip((3, 5), (4, 4), strict=True)
    )


def put(store: FeatureStore, *numbers: int) -> FeatureStore:
    store.write_many({key(number): levels(number) for number in numbers})
    return store


def holds(store: FeatureStore, *numbers: int) -> bool:
    found = [store.read(key(number)) for number in numbers]
    return all(one is not None and same(one, levels(number)) for one, number in zip(found, numbers, strict=True))


def same(found, wanted) -> bool:
    return all(np.allclose(one, other, rtol=1e-3, atol=1e-6) for one, other in zip(found, wanted, strict=True))


def test_what_was_written_is_read_again_here_and_by_others(tmp_path):
    store = put(FeatureStore(tmp_path / "a" / "b", SHAPE), 1, 2, 3)
    other = FeatureStore(tmp_path / "a" / "b", SHAPE)
    assert holds(store, 3, 1, 2)
    assert holds(other, 1, 2, 3)
    assert len(other) == 3
    assert other.read(key(4)) is None
    put(store, 4)
    other.refresh()
    assert holds(other, 1, 4)


@pytest.mark.parametrize("size", [1e-12, 1e-5, 1.0, 1e5, 1e12])
def test_numbers_of_any_size_keep_float16_s_precision(tmp_path, size):
    store, wanted = FeatureStore(tmp_path, SHAPE), levels(1, size)
    store.write_many({key(1): wanted})
    for one, other in zip(store.read(key(1)), wanted, strict=True):
        assert np.abs(one - other).max() <= 1e-3 * np.abs(other).max()
        assert np.allclose(one, other, rtol=1e-3, atol=1e-8 * size)


def test_zeros_and_what_is_no_number_come_back_as_they_are(tmp_path):
    store, odd = FeatureStore(tmp_path, SHAPE), levels(1)
    odd[0][0] = [np.inf, -np.inf, np.nan, 1]
    odd[1][:] = 0
    store.write_many({key(1): odd})
    found = store.read(key(1))
    assert np.array_equal(found[0][0], odd[0][0], equal_nan=True)
    assert not found[1].any()


def test_nothing_is_written_twice(tmp_path):
    store, other = (FeatureStore(tmp_path, SHAPE) for _ in range(2))
    put(store, 1, 2)
    put(other, 2, 3)
    put(store, 1, 2, 3)
    assert len(FeatureStore(tmp_path, SHAPE)) == 3
    assert holds(store, 1, 2, 3)


def test_a_full_shard_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_SHARD_BYTES", 2 * ROW)
    store, other = (FeatureStore(tmp_path, SHAPE) for _ in range(2))
    for number in range(5):
        put((store, other)[number % 2], number)
    assert sorted(file.name for file in tmp_path.glob("*.rows")) == ["0000.rows", "0001.rows", "0002.rows"]
    assert holds(FeatureStore(tmp_path, SHAPE), *range(5))


def test_a_store_is_sent_to_another_process_as_its_folder(tmp_path):
    store = put(FeatureStore(tmp_path, SHAPE), *range(50))
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    assert holds(pickle.loads(sent), 7)


# --------------------------------------------------------------------------------------------------------------------
# damage
def truncate(file, size):
    file.write_bytes(file.read_bytes()[:size])


DAMAGE = {
    "rows cut in a row": lambda folder: truncate(folder / "0000.rows", 3 * ROW + 7),
    "rows cut to nothing": lambda folder: truncate(folder / "0000.rows", 0),
    "rows gone": lambda folder: (folder / "0000.rows").unlink(),
    "keys cut in a record": lambda folder: truncate(folder / "0000.keys", 3 * RECORD_DTYPE.itemsize + 5),
    "keys gone": lambda folder: (folder / "0000.keys").unlink(),
    "rows of zeros": lambda folder: (folder / "0000.rows").write_bytes(bytes(10 * ROW)),
    "rows shifted": lambda folder: (folder / "0000.rows").write_bytes(b"x" + (folder / "0000.rows").read_bytes()),
    "keys of noise": lambda folder: (folder / "0000.keys").write_bytes(
        np.random.default_rng(0).bytes(10 * RECORD_DTYPE.itemsize)
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_repaired(tmp_path, damage):
    put(FeatureStore(tmp_path, SHAPE), *range(10))
    damage(tmp_path)
    store = FeatureStore(tmp_path, SHAPE)
    lost = [number for number in range(10) if store.read(key(number)) is None]
    assert lost
    assert holds(store, *(number for number in range(10) if number not in lost))
    put(store, *range(10))
    assert holds(store, *range(10))
    assert holds(FeatureStore(tmp_path, SHAPE), *range(10))


@pytest.mark.parametrize("place", range(0, ROW, 5))
def test_one_changed_byte_loses_its_row_alone(tmp_path, place):
    put(FeatureStore(tmp_path, SHAPE), 0, 1, 2)
    rows = bytearray((tmp_path / "0000.rows").read_bytes())
    rows[ROW + place] ^= 16
    (tmp_path / "0000.rows").write_bytes(rows)
    store = FeatureStore(tmp_path, SHAPE)
    assert [store.read(key(number)) is None for number in range(3)] == [False, True, False]
    assert [store.is_corrupt(key(number)) for number in range(4)] == [False, True, False, False]
    assert len(put(store, 0, 1, 2)) == 3
    assert holds(store, 0, 1, 2)


@pytest.mark.parametrize("written", range(0, 3 * ROW, 11))
def test_whatever_a_killed_process_had_written_of_its_rows_nothing_is_lost_or_wrong(tmp_path, written):
    put(FeatureStore(tmp_path, SHAPE), 0, 1)
    with (tmp_path / "0000.rows").open("ab") as rows:
        rows.write(b"\xff" * written)  # and none of the keys
    store = FeatureStore(tmp_path, SHAPE)
    assert len(store) == 2
    put(store, 2, 3)
    assert holds(FeatureStore(tmp_path, SHAPE), 0, 1, 2, 3)


def test_a_store_that_another_process_emptied_is_read_no_more(tmp_path):
    store, other = (FeatureStore(tmp_path, SHAPE) for _ in range(2))
    assert holds(put(store, 0, 1), 0, 1)
    other.refresh()
    other.clear()
    put(other, 5, 6)
    store.refresh()
    assert store.read(key(0)) is None
    assert holds(put(store, 0), 0, 5, 6)


def test_what_is_written_after_another_process_emptied_it_is_found_by_all(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_SHARD_BYTES", 2 * ROW)
    store = put(put(FeatureStore(tmp_path, SHAPE), 0, 1), 2, 3)
    FeatureStore(tmp_path, SHAPE).clear()
    put(store, 4)
    assert holds(FeatureStore(tmp_path, SHAPE), 4)


def test_rows_of_many_keys_come_in_the_order_asked_for_from_whatever_shard(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_SHARD_BYTES", 2 * ROW)
    store = FeatureStore(tmp_path, SHAPE)
    for number in range(5):
        put(store, number)
    order = [3, 0, 4, 0, 2]
    halves, scales = store.read_many([key(number) for number in order])
    for place, number in enumerate(order):
        assert same(
            [half[place].astype(np.float32) * scale[place] for half, scale in zip(halves, scales, strict=True)],
            levels(number),
        )
    assert store.read_many([key(0), key(9)]) is None


def test_rows_with_a_damaged_one_among_them_are_none(tmp_path):
    put(FeatureStore(tmp_path, SHAPE), 1, 2)
    file = tmp_path / "0000.rows"
    content = bytearray(file.read_bytes())
    content[ROW + 20] ^= 255
    file.write_bytes(content)
    fresh = FeatureStore(tmp_path, SHAPE)
    assert fresh.read_many([key(1)]) is not None and fresh.read_many([key(1), key(2)]) is None
    put(fresh, 2)
    assert holds(fresh, 1, 2)
