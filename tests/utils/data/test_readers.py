"""The strict readers: what they keep, and where they say a file is wrong."""

import csv
import io
import os

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.readers import NO_LABEL, class_index, number, read_jsonl, read_tsv, tsv_rows
from utils.errors import UserError

# any text that a field can hold: no tab, no line feed, no NUL, no half surrogate
TEXT = st.text(st.characters(exclude_characters="\t\n\0", exclude_categories=["Cs"]))


def labelled(record):
    return {"text": record["text"], "label": class_index(("no", "yes"), record["label"])}


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1), st.booleans())
def test_tsv_gives_every_field_back_as_written(fields, last_newline):
    fields = [('a bare " says that the others are text, too', ""), *fields]
    content = "a\tb\n" + "\n".join(f"{a}\t{b}" for a, b in fields) + "\n" * last_newline
    rows = tsv_rows(io.BytesIO(content.encode()), "x", ("a", "b"), dict)
    # a CR before the line feed belongs to the line's end
    assert rows == [{"a": a, "b": b.removesuffix("\r")} for a, b in fields]


def test_tsv_keeps_quotes_blanks_and_odd_separators(tmp_path):
    (tmp_path / "t.tsv").write_bytes('\ufefftext\tlabel\r\n"odd quote \tyes\r\na\u2028b\x0bc\x85d\x1c \tno'.encode())
    assert read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled) == [
        {"text": '"odd quote ', "label": 1}, {"text": "a\u2028b\x0bc\x85d\x1c ", "label": 0}]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("quoting", "line"), [("MINIMAL", 3), ("ALL", 1), ("NONNUMERIC", 1)])
def test_a_tsv_that_pandas_has_quoted_is_refused_and_its_advice_helps(tmp_path, quoting, line, line_end):
    rows = [{"text": text, "label": label} for text, label in (("plain, so far", 1), ('She said "no".', 0), ('"', 1))]
    path, frame = tmp_path / "t.tsv", pandas.DataFrame(rows)
    frame.to_csv(path, sep="\t", index=False, quoting=getattr(csv, f"QUOTE_{quoting}"), lineterminator=line_end,
                 encoding="utf-8-sig")
    with pytest.raises(UserError) as raised:
        read_tsv(path, ("text", "label"), dict)
    assert str(raised.value).startswith(f"{path}:{line}: its fields are in quotes; ")
    assert r"(pandas: to_csv(path, sep='\t', quoting=csv.QUOTE_NONE))" in str(raised.value)
    frame.to_csv(path, sep="\t", quoting=csv.QUOTE_NONE)
    assert read_tsv(path, ("text", "label"), lambda r: {**r, "label": int(r["label"])}) == rows


def test_quotes_that_are_text_stay(tmp_path):
    rows = ['"in quotes"', '""', '"', '"a ""doubled"" one"', 'a "bare" one']
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{text}\tyes\n" for text in rows))
    assert [row["text"] for row in read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled)] == rows
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + "".join(f"{text}\tyes\n" for text in rows[:2]))
    assert [row["text"] for row in read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled)] == rows[:2]


@pytest.mark.parametrize("text", ["two\nlines", "a\ttab"])
def test_a_quoted_line_end_or_tab_is_told_with_the_torn_line(tmp_path, text):
    with (tmp_path / "t.tsv").open("w", newline="") as file:
        csv.writer(file, "excel-tab").writerows([("label", "text"), ("yes", "A"), ("no", text)])
    with pytest.raises(UserError, match=r"t\.tsv:[34]: expected 2 columns .*; quotes are part of a text .*without"):
        read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled)


@pytest.mark.parametrize("code", ["", "-", "-1", "-1.0"])
def test_rows_without_a_label_are_marked_in_a_tsv(tmp_path, code):
    (tmp_path / "t.tsv").write_text(f"text\tlabel\nA\tyes\nB\t{code}\n")
    assert read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled, label="label") == [
        {"text": "A", "label": 1}, NO_LABEL]
    with pytest.raises(UserError, match=r"t\.tsv:3: label '.*' is none of no, yes"):
        read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled)  # of a column where it may mean something


@pytest.mark.parametrize("code", ["null", '""', '"-"', "-1", "-1.0", '"-1"'])
def test_rows_without_a_label_are_marked_in_json_lines(tmp_path, code):
    (tmp_path / "t.jsonl").write_text('\ufeff{"label": true}\r\n{"label": %s}' % code)
    assert read_jsonl(tmp_path / "t.jsonl", {"label": bool}, dict, label="label") == [{"label": True}, NO_LABEL]
    (tmp_path / "t.jsonl").write_text('{"label": true}\n{"label": 0}')
    with pytest.raises(UserError, match=r"t\.jsonl:2: key 'label' has 0; expected a bool"):
        read_jsonl(tmp_path / "t.jsonl", {"label": bool}, dict, label="label")


def test_tsv_columns_are_found_by_name_and_rows_can_be_left_out(tmp_path):
    (tmp_path / "t.tsv").write_text("id\tlabel\tmark\ttext\n1\tyes\t\tA\n2\tno\t*\tB\n")
    rows = read_tsv(tmp_path / "t.tsv", ("text", "label"), lambda r: r if r["label"] == "no" else None)
    assert rows == [{"text": "B", "label": "no"}]


def test_torn_lines_can_be_left_out_and_are_counted(tmp_path, caplog):
    (tmp_path / "t.tsv").write_text("text\tlabel\nA\tyes\nhalf\nhalf\tno\textra\nB\tno\n")
    rows = read_tsv(tmp_path / "t.tsv", ("text", "label"), labelled, quotes="kept")
    assert [row["text"] for row in rows] == ["A", "B"]
    assert "left out 2 torn lines" in caplog.text


@pytest.mark.parametrize(("content", "line", "message"), [
    (b"", 1, "'text' is not in the header"),
    (b"text\tlabel\n", 1, "no rows"),
    (b"text\tlabels\nA\tyes\n", 1, "'label' is not in the header (text, labels)"),
    (b"text\tlabel\ttext\nA\tyes\tB\n", 1, "'text' is twice in the header"),
    (b"text\tlabel\nA\tyes\nB\n", 3, "expected 2 columns parted by tabs, found 1"),
    (b"text\tlabel\nA\tyes\tmore\n", 2, "expected 2 columns parted by tabs, found 3"),
    (b"text\tlabel\nA\tyes\n\n", 3, "expected 2 columns parted by tabs, found 1"),
    (b"text\tlabel\nA\tmaybe\n", 2, "label 'maybe' is none of no, yes"),
    (b"text\tlabel\nA\tyes\n\xff\xfe\tno\n", 3, "byte 1 is not UTF-8"),
    (b"text\tlabel\nA\0\tyes\n", 2, "NUL"),
    (b"text\r\x1b[2J\xc2\x85\tlabel\nA\tyes\n", 1, r"(text\r\x1b[2J\x85, label)"),
    (b"text\tlabel\nA\t" + b"y" * 9000, 2, "label 'yyy"),
])
def test_a_malformed_tsv_names_file_and_line(tmp_path, content, line, message):
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_tsv(path, ("text", "label"), labelled)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert message in str(raised.value) and str(raised.value).isprintable() and len(str(raised.value)) < 500


def test_a_file_without_a_header_needs_exactly_its_columns(tmp_path):
    path = tmp_path / "bad.tsv"
    path.write_text("A\tyes\nB\tno\t\n")
    with pytest.raises(UserError, match=r"bad\.tsv:2: expected 2 columns"):
        read_tsv(path, ("text", "label"), labelled, header=False)
    path.write_text("")
    with pytest.raises(UserError, match=r"bad\.tsv:1: no rows"):
        read_tsv(path, ("text", "label"), labelled, header=False)


@pytest.mark.parametrize(("content", "line", "message"), [
    (b"", 1, "no rows"),
    (b'{"text": "A", "label": true}\n{"text": "B"\n', 2, "not valid JSON"),
    (b'{"text": "A", "label": true}\n\n', 2, "not valid JSON"),
    (b"[" * 100_000, 1, "not valid JSON"),
    (b"[1]\n", 1, "expected a JSON object, found a list"),
    (b'{"text": "A", "label": true, "text": "B"}\n', 1, "key 'text' stands twice"),
    (b'{"text": "A", "label": 1' + b"0" * 5000 + b"}", 1, "not valid JSON"),
    (b'{"text": "A"}\n', 1, "key 'label' is missing; expected a bool"),
    (b'{"text": "A", "label": 1}\n', 1, "key 'label' has 1; expected a bool"),
    (b'{"text": null, "label": true}\n', 1, "key 'text' has null; expected a str"),
    (b'{"text": "\\ud800", "label": true}\n', 1, "half a surrogate pair"),
    (b'{"text": "\xff", "label": true}\n', 1, "not UTF-8"),
    (b'{"text": "no", "label": true}\n', 1, "refused"),
])
def test_a_malformed_jsonl_names_file_and_line(tmp_path, content, line, message):
    def row(record):
        if record["text"] == "no":
            raise ValueError("refused")
        return record

    path = tmp_path / "bad.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read_jsonl(path, {"text": str, "label": bool}, row)
    assert str(raised.value).startswith(f"{path}:{line}: ")
    assert message in str(raised.value) and str(raised.value).isprintable() and len(str(raised.value)) < 500


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.tsv: No such file"):
        read_tsv(tmp_path / "absent.tsv", ("a",), dict)
    with pytest.raises(UserError, match=r"absent\.jsonl: No such file"):
        read_jsonl(tmp_path / "absent.jsonl", {}, dict)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tsv")
    with pytest.raises(UserError, match=r"pipe\.tsv: is no file"):
        read_tsv(tmp_path / "pipe.tsv", ("a",), dict)


def test_scores_are_finite_and_in_range():
    assert number("3.800", 0, 5) == 3.8 and number("0", 0, 5) == 0 and number("5", 0, 5) == 5
    for text in ("nan", "inf", "-0.1", "5.001", "", "four"):
        with pytest.raises(ValueError, match="no number from 0 to 5"):
            number(text, 0, 5)
