"""Features on disk: what was written is read again, to float16's precision, by any process.

Damage is noticed and repaired.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil

import numpy as np
import pytest

from hvpkit.features.database import DATA_FILE
from hvpkit.features.store import FeatureLayout, FeatureStore, _pack

SHAPE = FeatureLayout((3, 5), (4, 4))
ROW = SHAPE.dtype.itemsize
MANY = 300  # several pages of the database


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


def test_a_store_is_sent_to_another_process_as_its_folder(tmp_path):
    store = put(FeatureStore(tmp_path, SHAPE), *range(50))
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    assert holds(pickle.loads(sent), 7)


# --------------------------------------------------------------------------------------------------------------------
# damage
def damage_row(folder, number, position=20):
    """Change a byte of a row, also in older copies of its page."""
    row = _pack(key(number), levels(number), SHAPE)
    changed = bytearray(row)
    changed[position] ^= 16
    content = (folder / DATA_FILE).read_bytes()
    assert row in content
    (folder / DATA_FILE).write_bytes(content.replace(row, bytes(changed)))


def rewrite(change):
    def damage(folder):
        (folder / DATA_FILE).write_bytes(change((folder / DATA_FILE).read_bytes()))

    return damage


def noise(content: bytes, start: int, stop: int) -> bytes:
    return content[:start] + np.random.default_rng(0).bytes(stop - start) + content[stop:]


DAMAGE = {
    "cut in the middle": rewrite(lambda content: content[: len(content) // 2 + 7]),
    "cut after the header": rewrite(lambda content: content[:8192]),
    "cut in the header": rewrite(lambda content: content[:100]),
    "cut to nothing": rewrite(lambda content: b""),
    "zeros after the header": rewrite(lambda content: content[:8192] + bytes(len(content) - 8192)),
    "zeros": rewrite(lambda content: bytes(len(content))),
    "noise in the header": rewrite(lambda content: noise(content, 0, 8192)),
    "noise in the middle": rewrite(lambda content: noise(content, len(content) // 2, len(content) * 3 // 4)),
    "noise": rewrite(lambda content: noise(content, 0, len(content))),
    "shifted": rewrite(lambda content: b"x" + content),
    "gone": lambda folder: (folder / DATA_FILE).unlink(),
    "lock gone": lambda folder: [(folder / name).unlink() for name in (DATA_FILE, "lock.mdb")],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_repaired(tmp_path, damage):
    put(FeatureStore(tmp_path, SHAPE), *range(MANY))
    damage(tmp_path)
    store = FeatureStore(tmp_path, SHAPE)
    lost = [number for number in range(MANY) if store.read(key(number)) is None]
    assert lost
    assert holds(store, *(number for number in range(MANY) if number not in lost))
    put(store, *range(MANY))
    assert holds(store, *range(MANY))
    del store
    assert holds(FeatureStore(tmp_path, SHAPE), *range(MANY))


@pytest.mark.parametrize("position", range(0, ROW, 5))
def test_one_changed_byte_loses_its_row_alone(tmp_path, position):
    put(FeatureStore(tmp_path, SHAPE), 0, 1, 2)
    damage_row(tmp_path, 1, position)
    store = FeatureStore(tmp_path, SHAPE)
    assert [store.read(key(number)) is None for number in range(3)] == [False, True, False]
    assert [store.is_corrupt(key(number)) for number in range(4)] == [False, True, False, False]
    assert len(put(store, 0, 1, 2)) == 3
    assert holds(store, 0, 1, 2)


def test_a_deleted_folder_is_written_again(tmp_path):
    store = put(FeatureStore(tmp_path / "a", SHAPE), 0, 1)
    shutil.rmtree(tmp_path / "a")
    again = FeatureStore(tmp_path / "a", SHAPE)
    assert len(again) == 0
    assert holds(put(again, 2), 2)
    assert holds(store, 0, 1)  # of the deleted file, which is still open


def test_rows_of_many_keys_come_in_the_order_asked_for(tmp_path):
    store = put(FeatureStore(tmp_path, SHAPE), *range(5))
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
    damage_row(tmp_path, 2)
    fresh = FeatureStore(tmp_path, SHAPE)
    assert fresh.read_many([key(1)]) is not None and fresh.read_many([key(1), key(2)]) is None
    put(fresh, 2)
    assert holds(fresh, 1, 2)


def test_rows_of_another_layout_are_corrupt(tmp_path):
    put(FeatureStore(tmp_path, SHAPE), 1)
    other = FeatureStore(tmp_path, FeatureLayout((3, 5), (1, 1)))
    assert other.read(key(1)) is None and other.is_corrupt(key(1))
