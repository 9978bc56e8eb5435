import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image

from labeleff.commands.contact_sheets import PALETTE, PictureRow, colour_mask, compose, shade_depth, show
from labeleff.errors import DataError, LabeleffWarning, StudyError, UnknownNameError
from labeleff.training.examples import Source


def picture(value, side=16):
    return np.full((side, side, 3), value, dtype=np.uint8)


def test_pictures_stand_in_rows_enlarged():
    sheet = np.asarray(compose([PictureRow("dark", [picture(10), picture(20)]), PictureRow("light", [picture(200)])]))
    assert sheet.shape[0] == 2 * 66
    right = sheet.shape[1]
    assert (sheet[:64, right - 66 : right - 2] == 20).all()
    assert (sheet[:64, right - 132 : right - 68] == 10).all()
    assert (sheet[66:130, right - 132 : right - 68] == 200).all()
    assert (sheet[66:130, right - 66 :] == 255).all()


def test_a_legend_has_the_masks_colours():
    sheet = np.asarray(compose([PictureRow("mask", [picture(0)] * 4)], ["background", "airplane", "bench"]))
    for colour in PALETTE[:3]:
        assert (sheet[66:] == colour).all(-1).any()


def test_masks_and_depths_as_pictures():
    mask = np.array([[0, 1], [10, 25]], dtype=np.uint8)
    assert colour_mask(mask)[0, 0].tolist() == list(PALETTE[0])
    assert colour_mask(mask)[1, 0].tolist() == list(PALETTE[10])
    assert colour_mask(mask)[1, 1].tolist() != list(PALETTE[0])
    depth = shade_depth(np.array([[0, 100], [200, 300]], dtype=np.int16))[..., 0]
    assert depth[0, 0] == 0
    assert depth[0, 1] > depth[1, 0] > depth[1, 1] > 0
    assert shade_depth(np.zeros((2, 2), dtype=np.int16)).max() == 0


def opened(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return image.size


def source(tmp_path):
    return Source(tmp_path / "data", offline=True)


def test_every_class_is_shown(tmp_path):
    out = tmp_path / "sheet.png"
    said = show("shapes", {"size": 32, "factors": "-CV-"}, "validation", 3, source(tmp_path), out)
    assert said == "single objects: validation images of 32 pixels, factors -CV-"
    assert opened(out)[1] == 660


def test_scenes_are_shown_with_their_maps(tmp_path):
    out = tmp_path / "sheet.png"
    show("shapes", {"size": 32, "objects": 4}, "test", 2, source(tmp_path), out)
    assert opened(out)[1] > 9 * 66


@pytest.mark.parametrize("name", ["toy/classify", "shapes/pose", "shapes/segment", "shapes/depth"])
def test_any_task_of_images_is_shown(tmp_path, name):
    out = tmp_path / "sheet.png"
    given = {"train": 60, "test": 20, "size": 32}
    assert show(name, given, "train", 2, source(tmp_path), out).startswith(f"{name}: 60 train images of 32 pixels")
    assert opened(out)[1] > 60


@pytest.mark.parametrize(
    ("name", "given", "split", "error"),
    [
        ("babi/qa1", {}, "train", StudyError),
        ("shape", {}, "train", UnknownNameError),
        ("shapes", {"colour": 1}, "train", UnknownNameError),
        ("shapes", {"objects": 2}, "train", UnknownNameError),
        ("shapes", {}, "tests", UnknownNameError),
        ("toy/classify", {}, "validation", UnknownNameError),
    ],
)
def test_what_cant_be_shown_is_refused(tmp_path, name, given, split, error):
    with pytest.raises(error):
        show(name, given, split, 2, source(tmp_path), tmp_path / "sheet.png")
    assert not (tmp_path / "sheet.png").exists()


def test_a_place_that_cant_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/sheet\.png: can't be written"):
        show("shapes", {"size": 32}, "train", 1, source(tmp_path), tmp_path / "file" / "sheet.png")


def test_the_command_names_its_file(command, tmp_path):
    done = command("data", "show", "shapes", "--factors", "T-V-", "--size", 32, "--columns", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "sheet: shapes-T-V--32.png"
    assert (tmp_path / "shapes-T-V--32.png").exists()
    assert command("data", "show", "shapes", "--factors=----", "--size", 32, "--columns", 1).returncode == 0
    wrong = command("data", "show", "shapes", "--factors", "TVCL")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_names_in_any_script_are_written(monkeypatch):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    sheets = [compose([PictureRow(name, [picture(0)])]).tobytes() for name in ("Ω", "Ж", "قطة", "ℊ", "e\u0301te\u0301")]
    assert len(set(sheets)) == len(sheets), "no boxes"
    with pytest.warns(LabeleffWarning, match="U\\+732B"):
        codes = compose([PictureRow("猫", [picture(0)])])
    assert codes.tobytes() == compose([PictureRow("\\u732b", [picture(0)])]).tobytes()
