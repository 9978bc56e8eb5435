"""Questions to a trained reader: from text to answer, rivals, attention and warnings."""

import re

import pytest

from labeleff.commands import conversation as asking
from labeleff.commands.conversation import Conversation, lines, trained_reader
from labeleff.errors import DataError, RecordError
from labeleff.execution.saved_readers import load_reader

STORY, QUESTION = "Mary went to the bathroom . Sandra moved to the garden .", "Where is Mary ?"


@pytest.fixture(scope="module")
def reader(told):
    return trained_reader(told)[0]


@pytest.fixture
def conversation(reader):
    return Conversation(reader)


def hear(conversation, *texts):
    return [reply for text in texts for reply in conversation.hear(text)]


@pytest.mark.parametrize(
    ("story", "question"),
    [
        (STORY, QUESTION),
        ("mary went to the bathroom sandra moved to the garden", "where is mary"),
        ("Mary went to the bathroom.Sandra moved to the garden.", "Where is Mary?"),
        ("MARY WENT TOTHE BATHROOM! SANDRA MOVED TO THE GARDEN", "WHEREIS MARY"),
    ],
)
def test_mary_is_in_the_bathroom(conversation, story, question):
    [reply] = hear(conversation, story, question)
    assert reply.answer == "bathroom"
    assert not reply.warnings
    assert len(reply.likeliest) == 3
    probabilities = [share for _, share in reply.likeliest]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1 + 1e-6
    assert [sentence for sentence, _ in reply.attended] == [
        "mary went to the bathroom .",
        "sandra moved to the garden .",
    ]
    assert sum(share for _, share in reply.attended) == pytest.approx(1, abs=1e-5)


def test_the_story_grows_and_an_empty_line_or_number_1_begins_another(conversation):
    first, second = hear(conversation, STORY, QUESTION, "Mary journeyed to the office.", QUESTION)
    assert (first.answer, second.answer) == ("bathroom", "office")
    [reply] = hear(conversation, "", "Sandra moved to the kitchen.", "Where is Sandra?")
    assert len(reply.attended) == 1
    [reply] = hear(conversation, "1 John went to the garden.", "2 Where is John? \tgarden\t1")
    assert (reply.answer, len(reply.attended)) == ("garden", 1)


def test_unknown_words_are_read_as_one_and_warned_of(conversation):
    [reply] = hear(conversation, "Bob went to the bathroom.", "Where is Bob?")
    assert reply.warnings == ("unknown word 'bob': read as <unk>",)


def test_vectors_read_an_unknown_word_as_the_nearest_known(reader):
    vectors = {"bathroom": [1.0, 0.0], "garden": [0.0, 1.0], "restroom": [0.9, 0.1]}
    import numpy as np

    conversation = Conversation(reader, {word: np.array(v, np.float32) for word, v in vectors.items()})
    [reply] = hear(conversation, "Mary went to the restroom. Sandra moved to the garden.", QUESTION)
    assert reply.answer == "bathroom"
    assert reply.warnings == ("unknown word 'restroom': read as 'bathroom', the nearest known word (0.99)",)


def test_long_sentences_and_stories_are_read_with_a_warning(conversation):
    [reply] = hear(conversation, "Mary went to the the the the the garden.", "Where is Mary?")
    assert any("a sentence of 10 words" in text for text in reply.warnings)
    story = " ".join(["Sandra moved to the garden."] * 30)
    [reply] = hear(conversation, "", "Mary went to the office.", story, QUESTION)
    assert reply.warnings == ("a story of 31 sentences: the longest in training had 10",)


def test_a_question_before_any_story_is_a_mistake(conversation):
    with pytest.raises(DataError, match="asked before any story"):
        hear(conversation, QUESTION)


def test_replies_as_text(conversation):
    [reply] = hear(conversation, STORY, QUESTION)
    text = list(lines(reply))
    assert text[0].startswith("bathroom  (bathroom ")
    assert text[0].count(" %") == 3
    assert any(line.endswith("mary went to the bathroom .") for line in text[1:])


def test_what_is_no_reader_is_named(told, tmp_path):
    with pytest.raises(RecordError, match="found readers of babi/qa1, expected one of babi/qa2"):
        trained_reader(told, "qa2")
    with pytest.raises(RecordError, match="no run found"):
        trained_reader(tmp_path)
    with pytest.raises(DataError, match="no trained reader there"):
        load_reader(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"something else")
    with pytest.raises(DataError, match="not a trained reader"):
        load_reader(tmp_path / "x.safetensors")


def test_the_command_reads_pipes_and_files(command, told, tmp_path):
    done = command("ask", "--model", told, text=f"{STORY}\n{QUESTION}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("bathroom  (bathroom ")
    assert "it knows 21 words" in done.stderr
    path = tmp_path / "story.txt"
    path.write_text("1 John went to the garden.\n2 Bob went to the office.\n3 Where is John? \tgarden\t1\n")
    done = command("ask", path, "--model", told, "--task", "qa1")
    assert done.stdout.startswith("garden  (")
    assert "unknown word 'bob'" not in done.stderr.split("?")[-1] or done.returncode == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Where is Mary?\n", "story.txt, line 1: 'where is mary ?': asked before any story"),
        (b"Mary went to the garden.\n", "story.txt: found no question"),
        (b"\xff\xfe\n", "story.txt: not UTF-8 text"),
        (b"a" * 20_000, "story.txt, line 1: found 20,000 characters, expected 10,000 at most"),
    ],
)
def test_mistakes_in_a_file_exit_2(told, tmp_path, content, message):
    from labeleff.commands.conversation import converse

    path = tmp_path / "story.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(message)):
        converse(Conversation(trained_reader(told)[0]), path)


def test_without_a_model_task_1_is_learned_once(tmp_path, monkeypatch, capsys, told):

    asked = []
    monkeypatch.setattr(asking, "measure", lambda study, options: asked.append((study, options)))
    monkeypatch.setattr(asking, "trained_reader", lambda *_: (trained_reader(told)[0], "a reader"))
    asking.prepare(None, None, None, tmp_path / "data", tmp_path / "cache", offline=True)
    [(study, options)] = asked
    assert [cell.task.name for cell in study.cells()] == ["babi/qa1"]
    assert options.folder == tmp_path / "cache" / "ask"
    assert "takes about a minute" in capsys.readouterr().err
    assert asking.LIKELIEST == 3


@pytest.mark.parametrize(
    "text",
    [
        "Mary went to the bathroom.\tSandra moved to the garden.",
        "\tMary went to the bathroom. Sandra moved to the garden.",
        "1. Mary went to the bathroom.\n2. Sandra moved to the garden.",
        "1) Mary went to the bathroom.\n2) Sandra moved to the garden.",
        "1 Mary went to the bathroom.\n2 Sandra moved to the garden.",
        "Mary went to the bathroom. Sandra moved to the garden.",
    ],
)
@pytest.mark.parametrize("question", ["Where is Mary?", "3. Where is Mary?", "3 Where is Mary? \tbathroom\t1"])
def test_tabs_and_numbers_lose_nothing(conversation, text, question):
    [reply] = hear(conversation, *text.split("\n"), question)
    assert [sentence for sentence, _ in reply.attended] == [
        "mary went to the bathroom .",
        "sandra moved to the garden .",
    ]
    assert reply.question == "where is mary ?"
    assert not reply.warnings
