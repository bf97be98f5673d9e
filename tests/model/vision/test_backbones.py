from __future__ import annotations

import io
import os
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from PIL import Image
from raising import raises
from safetensors.torch import save_file
from small_models import no_network
from torchvision import models, transforms

from hvpkit.errors import ModelFolderError, did_you_mean
from hvpkit.images.regions import ImageRegion
from hvpkit.interfaces import LevelInfo, VisionContext
from hvpkit.model.vision import torchvision_backbone
from hvpkit.model.vision.tower import VisualTower
from hvpkit.registry import load_registry

STRIDES = (4, 8, 16, 32)


def build(name: str, weights: object, side: int | None = 64, **options: object):
    return (
        load_registry().build("visual backbone", name, VisionContext(side), {"weights": str(weights), **options}).eval()
    )


@pytest.fixture(scope="module")
def resnet(tmp_path_factory) -> Path:
    """A ResNet-18 with its classifier, as torchvision's file holds it."""
    torch.manual_seed(2)
    file = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(models.resnet18().state_dict(), file)
    return file


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", (64, 128, 256, 512)),
        ("resnet50", (256, 512, 1024, 2048)),
        ("vgg16", (128, 256, 512, 512)),
        ("convnext-tiny", (96, 192, 384, 768)),
    ],
)
def test_levels_are_the_four_stages_of_known_width_and_stride(name, channels):
    backbone = build(name, "random", None)
    assert backbone.levels == tuple(LevelInfo(width, stride) for width, stride in zip(channels, STRIDES, strict=True))
    pixels = backbone.transform(Image.new("RGB", (30, 70), "red"))
    assert pixels.shape == (3, 224, 224)
    with torch.no_grad():
        maps = backbone(pixels[None])
    assert [tuple(level.shape) for level in maps] == [
        (1, c, 224 // s, 224 // s) for c, s in zip(channels, STRIDES, strict=True)
    ]


def test_pixels_are_the_whole_image_normalised_as_imagenet_s():
    pixels = build("resnet18", "random", 32).transform(Image.new("RGB", (30, 70), (255, 0, 51)))
    expected = [(1.0 - 0.485) / 0.229, (0.0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    for channel, value in zip(pixels, expected, strict=True):
        torch.testing.assert_close(channel, torch.full((32, 32), value))
    halves = Image.new("RGB", (4, 90), "black")
    halves.paste("white", (0, 45, 4, 90))  # it lies at the long image's end
    bright = build("resnet18", "random", 32).transform(halves)[0].mean(1)
    assert (bright[:14] < 0).all()
    assert (bright[18:] > 0).all()


def test_maps_are_the_outputs_of_the_network_s_own_stages(resnet):
    network = models.resnet18()
    network.load_state_dict(torch.load(resnet, weights_only=True))
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = network.eval().maxpool(network.relu(network.bn1(network.conv1(pixels))))
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        for stage, level in zip(stages, build("resnet18", resnet)(pixels), strict=True):
            expected = stage(expected)
            torch.testing.assert_close(level, expected)


@pytest.mark.parametrize("kind", ["pth", "safetensors", "without classifier", "another classifier"])
def test_weights_come_from_a_file(kind, resnet, tmp_path):
    state = torch.load(resnet, weights_only=True)
    file = tmp_path / ("mine.safetensors" if kind == "safetensors" else "mine.pth")
    if kind == "another classifier":
        state |= {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.zeros(3)}
    kept = {name: value for name, value in state.items() if kind != "without classifier" or not name.startswith("fc.")}
    save_file(kept, file) if kind == "safetensors" else torch.save(kept, file)
    opened = build("resnet18", file).state_dict()
    assert all(torch.equal(state[name.removeprefix("body.")], value) for name, value in opened.items())


def test_random_weights_are_random():
    torch.manual_seed(0)
    first, second = build("resnet18", "random"), build("resnet18", "random")
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


def broken(kind: str, resnet: Path, folder: Path) -> Path:
    file = folder / f"{kind}.pth"
    state = torch.load(resnet, weights_only=True)
    if kind == "code":
        torch.save({**state, "fc.bias": Evil()}, file)
    elif kind == "wrapped":
        torch.save({"state_dict": state}, file)
    elif kind == "short":
        torch.save({name: value for name, value in state.items() if not name.startswith("layer4")}, file)
    elif kind == "shape":
        torch.save({**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}, file)
    elif kind == "numbers":
        torch.save({1: torch.zeros(1)}, file)
    elif kind == "cut":
        file.write_bytes(resnet.read_bytes()[:1000])
    elif kind == "safetensors":
        file = folder / "bad.safetensors"
        file.write_bytes(b"garbage" * 9)
    else:
        file.write_bytes({"empty": b"", "text": b"not weights"}[kind])
    return file


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("code", "weights-unsafe"),
        ("wrapped", "weights-not-state-dict"),
        ("numbers", "weights-not-state-dict"),
        ("cut", "weights-unreadable"),
        ("empty", "weights-unreadable"),
        ("text", "weights-unsafe"),
        ("safetensors", "weights-unreadable"),
    ],
)
def test_a_file_that_is_no_weights_file_is_refused(kind, code, resnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = broken(kind, resnet, tmp_path)
    with raises(ModelFolderError, code, file=file):
        build("resnet18", file)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("kind", "code", "first"),
    [
        ("short", "weights-missing-tensors", "layer4.0.conv1.weight"),
        ("shape", "weights-reshaped-tensors", "conv1.weight"),
    ],
)
def test_tensors_that_do_not_fit_the_backbone_are_named(kind, code, first, resnet, tmp_path):
    file = broken(kind, resnet, tmp_path)
    with raises(ModelFolderError, "backbone-weights-mismatch", file=file, backbone="resnet18") as refused:
        build("resnet18", file)
    [reason] = refused.value.fields["reasons"]
    assert (reason.code, reason.fields["names"][0]) == (code, first)


def test_a_folder_is_no_weights_file(tmp_path):
    with raises(ModelFolderError, "backbone-weights-folder", folder=tmp_path, backbone="resnet18"):
        build("resnet18", tmp_path)


def test_weights_of_another_backbone_are_refused(resnet):
    with raises(ModelFolderError, "backbone-weights-mismatch", file=resnet, backbone="vgg16") as refused:
        build("vgg16", resnet)
    assert [(reason.code, reason.fields["names"][0]) for reason in refused.value.fields["reasons"]] == [
        ("weights-missing-tensors", "features.0.weight"),
        ("weights-unknown-tensors", "conv1.weight"),
    ]


def test_a_missing_file_brings_the_nearest_word():
    for file in ("imagnet", "/nowhere/w.pth"):
        hint = did_you_mean(file, ["imagenet", "random"])
        with raises(ModelFolderError, "backbone-weights-missing", file=Path(file), hint=hint, backbone="resnet18"):
            build("resnet18", file)


# -----------------------------------------------------------------------------------------------------------------
# ImageNet
@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


def test_imagenet_weights_without_a_network_name_the_way_out(cache, monkeypatch, capsys):
    called = no_network(monkeypatch)
    file, option = cache / "resnet18-f37072fd.pth", "vision.weights"
    with raises(
        ModelFolderError, "weights-not-downloaded", weights="ImageNet weights of resnet18", file=file, option=option
    ):
        build("resnet18", "imagenet")
    assert called
    assert capsys.readouterr().out == ""


def test_stalled_and_interrupted_downloads_are_reported_alike(cache, monkeypatch):
    waited: list[float] = []

    def hang(request: object, timeout: float) -> None:
        waited.append(timeout)
        raise URLError("timed out")

    monkeypatch.setattr(torchvision_backbone, "urlopen", hang)
    with raises(ModelFolderError, "weights-not-downloaded", reason=str(URLError("timed out"))):
        build("resnet18", "imagenet")
    assert waited == [5.0]

    def spoil(*arguments: object, **options: object) -> None:
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(torchvision_backbone, "urlopen", lambda request, timeout: io.BytesIO())
    monkeypatch.setattr(torch.hub, "download_url_to_file", spoil)
    with raises(ModelFolderError, "weights-not-downloaded", reason="invalid hash value"):
        build("resnet18", "imagenet")


def test_imagenet_weights_are_downloaded_once_with_their_hash_and_then_cached(cache, resnet, monkeypatch, capsys):
    fetched: list[tuple[str, str]] = []

    def fetch(url: str, file: str, hash_prefix: str, progress: bool) -> None:
        fetched.append((url, hash_prefix))
        Path(file).write_bytes(resnet.read_bytes())

    monkeypatch.setattr(torchvision_backbone, "urlopen", lambda request, timeout: io.BytesIO())
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    first = build("resnet18", "imagenet").state_dict()
    no_network(monkeypatch)
    second = build("resnet18", "imagenet").state_dict()
    assert fetched == [("https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd")]
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert capsys.readouterr().out == ""


def test_a_cached_file_that_holds_code_is_refused(cache, monkeypatch, tmp_path):
    no_network(monkeypatch)
    cache.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": Evil()}, cache / "resnet18-f37072fd.pth")
    with raises(ModelFolderError, "weights-unsafe", file=cache / "resnet18-f37072fd.pth"):
        build("resnet18", "imagenet")
    assert not (tmp_path / "pwned").exists()


def test_a_saved_model_needs_no_weights_of_its_backbone(cache, monkeypatch, tmp_path):
    called = no_network(monkeypatch)
    context = VisionContext(64, tmp_path)
    for weights in ("imagenet", "/nowhere/w.pth"):
        assert load_registry().build("visual backbone", "resnet18", context, {"weights": weights}).levels[
            0
        ] == LevelInfo(64, 4)
    assert not called


@pytest.mark.parametrize("size", [(2400, 1600), (300, 900), (100, 80)])
def test_the_release_s_pixels_are_those_of_its_own_transforms(tmp_path, size):
    chance = torch.Generator().manual_seed(size[0])
    noise = torch.randint(256, (size[1] // 4, size[0] // 4, 3), generator=chance, dtype=torch.uint8)
    Image.fromarray(noise.numpy()).resize(size).save(tmp_path / "x.jpg", quality=90)
    tower = VisualTower(build("resnet18", "random", side=None, resize="center-crop"), grid=2, frozen=True)
    normalise = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    released = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalise]
    )
    wanted = released(Image.open(tmp_path / "x.jpg").convert("RGB"))
    torch.testing.assert_close(tower.load_pixels(ImageRegion(tmp_path / "x.jpg")), wanted)
