"""Which features of texts save labels? Words as they are against features learned from texts without labels.

A text is what a story says of one person, who walks between rooms; its label is where the person is at the end.
`pip install scikit-learn`, then `python examples/text.py runs/text`. More features are more entries: one row per text.
"""

import sys

from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer

import labeleff
from labeleff.plugins.tasks.sources.babi_simulation import generate


def texts_and_rooms(count):
    """Sentences about the person that a question asks for, and the answer, of `count` questions."""
    story, texts, rooms = [], [], []
    for line in generate(1, "train", count).decode().splitlines():
        number, _, text = line.partition(" ")
        story = [] if number == "1" else story
        sentence, *answer = text.split("\t")
        if answer:
            person = sentence.split()[-1].rstrip("?")
            texts.append(" ".join(one for one in story if person in one))
        else:
            story.append(sentence)
        rooms += answer[:1]
    return texts, rooms


if __name__ == "__main__":
    texts, rooms = texts_and_rooms(1500)
    learned = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    features = {
        "hashed": HashingVectorizer(n_features=256, alternate_sign=False).transform(texts).toarray(),
        "learned": TruncatedSVD(32, random_state=0).fit_transform(learned),
    }
    labeleff.probe(features, rooms, sys.argv[1], test=0.3)
    print(labeleff.report(sys.argv[1]))
