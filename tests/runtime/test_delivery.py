"""Files that are whole or not there, and hold no formula."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime import delivery
from scenefit.runtime.delivery import Delivered, safe_cells, write_file

FORMS = ["csv", "parquet", "xlsx"]
FORMULAS = [
    "=1+1", "+cmd|' /C calc'!A0", "-2+3+cmd", "@SUM(1+1)", "\t=1", "\r=1", "\n=1", " =1", "\u3000=1", "\u200b=1",
    "\ufeff=1", "＝1+1", "＋1+x", "－1-x", "＠SUM(A1)", "\tplain", "=HYPERLINK(\"http://x\",\"a\")",
]  # fmt: skip
HARMLESS = [
    "plain",
    "a=1",
    "1-2",
    "",
    "-5",
    "+8613800138000",
    "-1.5e-3",
    "'=1",
    "张三",
    "naïve",
    'say "x", y\nz',
    "%",
    "1/2",
]


def table(**columns: object) -> pd.DataFrame:
    """Two people."""
    return pd.DataFrame({"name": ["Ann", "张三"], "amount": [1.5, np.nan]} | columns)


def sheet(file: Path) -> str:
    """Text of an XLSX file's sheet and its shared strings."""
    with zipfile.ZipFile(file) as book:
        names = [name for name in book.namelist() if name.endswith(("sheet1.xml", "sharedStrings.xml"))]
        return "".join(book.read(name).decode("utf8") for name in names)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFormulas:
    """A cell never starts what a spreadsheet would run."""

    @pytest.mark.parametrize("text", FORMULAS)
    def test_a_formula_gets_an_apostrophe(self, text: str) -> None:
        cells = safe_cells(table(note=[text, "plain"]), "people")

        assert cells.data["note"].to_pylist() == ["'" + text, "plain"]
        assert cells.disarmed == 1

    @pytest.mark.parametrize("text", HARMLESS)
    def test_other_texts_stay_to_the_letter(self, text: str) -> None:
        cells = safe_cells(table(note=[text, None]), "people")

        assert cells.data["note"].to_pylist() == [text, None]
        assert cells.disarmed == 0

    def test_headers_are_cells_too(self) -> None:
        assert "'=1" in safe_cells(table(**{"=1": [1, 2]}), "people").data.column_names

    def test_numbers_are_not_touched(self) -> None:
        given_ = table(delta=[-5, 7], rate=[-0.1, 1e-9], money=[Decimal("-1.10"), None])

        data = safe_cells(given_, "people").data

        assert data["delta"].to_pylist() == [-5, 7]
        assert data["rate"].to_pylist() == [-0.1, 1e-9]
        assert data["money"].to_pylist() == [Decimal("-1.10"), None]

    def test_categories_and_moments(self) -> None:
        moment = pd.Timestamp("2026-06-01T08:00+08:00")
        given_ = table(kind=pd.Categorical(["=a", "b"]), at=[moment, pd.NaT])

        data = safe_cells(given_, "people").data

        assert data["kind"].to_pylist() == ["'=a", "b"]
        assert data["at"].to_pylist() == [moment.tz_convert("UTC"), None]

    @given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
    @settings(deadline=None)
    def test_no_text_of_any_alphabet_starts_a_formula(self, texts: list[str]) -> None:
        data = safe_cells(pd.DataFrame({"t": pd.Series(texts, dtype=object)}), "t").data

        for before, after in zip(texts, data["t"].to_pylist(), strict=True):
            assert after in (before, "'" + before)
            assert after[:1] not in tuple("=@\t\r\n＝＋－＠")
            assert after[:1] not in tuple("+-") or re.fullmatch(r"[+-]\d+(\.\d+)?([eE][+-]?\d+)?", after)

    @pytest.mark.parametrize("form", FORMS)
    def test_no_form_is_a_way_around(self, form: str, tmp_path: Path) -> None:
        written = write_file(pd.DataFrame({"t": FORMULAS}), tmp_path / f"people.{form}")

        assert written.disarmed == len(FORMULAS)
        if form == "xlsx":
            assert "<f>" not in sheet(tmp_path / "people.xlsx")


class TestForms:
    """The same rows in each form."""

    def test_csv(self, tmp_path: Path) -> None:
        written = write_file(table(), tmp_path / "people.csv")

        assert (tmp_path / "people.csv").read_text("utf8") == '"name","amount"\n"Ann",1.5\n"张三",\n'
        assert written == Delivered(
            "people.csv", "csv", 2, hashlib.sha256((tmp_path / "people.csv").read_bytes()).hexdigest(),
            (tmp_path / "people.csv").stat().st_size,
        )  # fmt: skip

    @given(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=9),
            min_size=1,
            max_size=6,
        )
    )
    @settings(deadline=None, max_examples=50)
    def test_csv_gives_back_every_text(self, tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
        file = tmp_path_factory.mktemp("csv") / "t.csv"
        given_ = pd.DataFrame({"t": pd.Series(texts, dtype=object), "n": 1})

        write_file(given_, file)

        back = csv.read_csv(
            file, parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types={"t": "string"}, strings_can_be_null=False),
        )  # fmt: skip
        assert back["t"].to_pylist() == safe_cells(given_, "t").data["t"].to_pylist()

    def test_parquet(self, tmp_path: Path) -> None:
        write_file(table(), tmp_path / "people.parquet")

        assert pq.read_table(tmp_path / "people.parquet").to_pylist() == [
            {"name": "Ann", "amount": 1.5}, {"name": "张三", "amount": None}
        ]  # fmt: skip

    def test_xlsx_keeps_numbers_numbers_and_long_ones_whole(self, tmp_path: Path) -> None:
        given_ = table(id=[12345678901234567, 7], yes=[True, False], at=[pd.Timestamp("2026-06-01T00:00Z"), pd.NaT])

        write_file(given_, tmp_path / "people.xlsx")

        text = sheet(tmp_path / "people.xlsx")
        assert "<v>1.5</v>" in text
        assert "12345678901234567" in text
        assert '<c r="D2" t="b"><v>1</v></c>' in text
        assert "2026-06-01T00:00:00+00:00" in text

    @pytest.mark.parametrize("form", FORMS)
    def test_equal_tables_give_equal_bytes(self, form: str, tmp_path: Path) -> None:
        one, two = (write_file(table(), tmp_path / f"{name}.{form}") for name in "ab")

        assert one.sha256 == two.sha256

    def test_an_unknown_form_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match=r"people.txt: an export ends in one of \['csv', 'parquet', 'xlsx'\]"):
            write_file(table(), tmp_path / "people.txt")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([np.inf, 1.0], "people.csv.x: infinite numbers"),
        ([[1], [2]], "is no single value of a cell"),
        (["a\ud800", "b"], "people.csv.x"),
        ([1, "a"], "people.csv.x"),
    ],
)
def test_cells_that_cannot_be_written(column: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=message):
        write_file(table(x=column), tmp_path / "people.csv")
    assert left(tmp_path) == []


def test_an_empty_table_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no rows, so nothing is written"):
        write_file(table().iloc[:0], tmp_path / "people.csv")
    assert left(tmp_path) == []


def test_a_cell_too_long_for_a_sheet_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="an XLSX cell holds 32,767 letters, not 40,000; export CSV or Parquet"):
        write_file(table(x=["a" * 40_000, "b"]), tmp_path / "people.xlsx")
    assert left(tmp_path) == []


class TestWholeOrNotAtAll:
    """Whatever goes wrong, no part of a file is seen and old files stay."""

    def test_the_receipt_lies_beside_the_file(self, tmp_path: Path) -> None:
        written = write_file(table(), tmp_path / "out" / "people.csv", lambda written: f"wrote {written.sha256}")

        assert left(tmp_path / "out") == ["people.csv", "people.csv.receipt.json"]
        assert (tmp_path / "out" / "people.csv.receipt.json").read_text("utf8") == f"wrote {written.sha256}"

    @pytest.mark.parametrize("taken", ["people.csv", "people.csv.receipt.json"])
    def test_an_old_file_stays_unless_asked(self, taken: str, tmp_path: Path) -> None:
        (tmp_path / taken).write_text("old", "utf8")

        with pytest.raises(StoreError, match="is there already and stays; choose another name or ask to overwrite"):
            write_file(table(), tmp_path / "people.csv", lambda _: "receipt")

        assert left(tmp_path) == [taken]
        assert (tmp_path / taken).read_text("utf8") == "old"

    def test_asked_to_overwrite_it_does(self, tmp_path: Path) -> None:
        (tmp_path / "people.csv").write_text("old", "utf8")

        write_file(table(), tmp_path / "people.csv", lambda _: "receipt", overwrite=True)

        assert (tmp_path / "people.csv").read_text("utf8").startswith('"name"')
        assert left(tmp_path) == ["people.csv", "people.csv.receipt.json"]

    def test_a_folder_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "people.csv").mkdir()

        with pytest.raises(StoreError, match="is there already"):
            write_file(table(), tmp_path / "people.csv", overwrite=True)

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), RuntimeError("bug"), KeyboardInterrupt()])
    @pytest.mark.parametrize("old", [True, False])
    def test_an_error_in_the_middle(
        self, error: BaseException, old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def breaking(data: object, file: Path) -> None:
            file.write_bytes(b"half a fi")
            raise error

        monkeypatch.setattr(delivery, "WRITERS", {"csv": breaking})
        if old:
            (tmp_path / "people.csv").write_text("old", "utf8")
        expected = StoreError if isinstance(error, OSError) else type(error)

        with pytest.raises(expected):
            write_file(table(), tmp_path / "people.csv", lambda _: "receipt", overwrite=True)

        assert left(tmp_path) == (["people.csv"] if old else [])
        assert not old or (tmp_path / "people.csv").read_text("utf8") == "old"

    def test_an_error_of_the_receipt_leaves_no_file(self, tmp_path: Path) -> None:
        def refused(written: Delivered) -> str:
            raise ContractError("counts differ")

        with pytest.raises(ContractError, match="counts differ"):
            write_file(table(), tmp_path / "people.csv", refused)
        assert left(tmp_path) == []

    def test_an_error_between_the_two_moves_undoes_the_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("people.csv", "people.csv.receipt.json"):
            (tmp_path / name).write_text("old", "utf8")
        real = Path.rename

        def failing(self: Path, target: Path) -> Path:
            if self.name == f".people.csv.{os.getpid()}":
                raise OSError(errno.EACCES, "no")
            return real(self, target)

        monkeypatch.setattr(Path, "rename", failing)
        with pytest.raises(StoreError, match="no permission"):
            write_file(table(), tmp_path / "people.csv", lambda _: "receipt", overwrite=True)

        assert left(tmp_path) == ["people.csv", "people.csv.receipt.json"]
        assert {(tmp_path / name).read_text("utf8") for name in left(tmp_path)} == {"old"}

    def test_a_killed_process_leaves_no_file_of_that_name(self, tmp_path: Path) -> None:
        program = (
            "import os, pathlib, pandas\n"
            "from scenefit.runtime import delivery\n"
            "def breaking(data, file):\n"
            "    file.write_bytes(b'half')\n"
            "    os.kill(os.getpid(), 9)\n"
            "delivery.WRITERS = {'csv': breaking}\n"
            f"delivery.write_file(pandas.DataFrame({{'a': ['x']}}), pathlib.Path({str(tmp_path / 'people.csv')!r}))\n"
        )

        done = subprocess.run([sys.executable, "-c", program], check=False)

        assert done.returncode == -9
        assert not (tmp_path / "people.csv").exists()
        assert write_file(table(), tmp_path / "people.csv").rows == 2
