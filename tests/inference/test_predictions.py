"""Predictions as JSON values, as HTML and as text."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

from PIL import Image

from hvpkit.inference.predictions import EntityPrediction, RelationPrediction
from hvpkit.messages import Message, message_to_json
from hvpkit.types import Box, ImageBytes, Relation, TextEntity, TextSpan, VisualObject

NOTE = Message("custom", text="note")
ENTITIES = EntityPrediction(
    text="Ada 😂", entities=(TextEntity("Ada", "PER", 0, 3, 0.5),), image_used=True, notes=(NOTE,)
)
RELATION = RelationPrediction(
    text="A B",
    head=TextSpan("A", 0, 1),
    tail=TextSpan("B", 2, 3),
    relation=Relation("x", 0.7, (("x", 0.7), ("None", 0.3))),
    image_used=False,
)


def test_entities_are_written_as_in_own_data():
    expected = {
        "text": "Ada 😂",
        "entities": [{"text": "Ada", "type": "PER", "start": 0, "end": 3, "confidence": 0.5}],
        "image_used": True,
        "notes": [message_to_json(NOTE)],
    }
    assert ENTITIES.to_dict() == expected == json.loads(ENTITIES.to_json())


def test_a_relation_is_written_with_its_probabilities():
    expected = {
        "text": "A B",
        "head": {"text": "A", "start": 0, "end": 1},
        "tail": {"text": "B", "start": 2, "end": 3},
        "relation": {"label": "x", "confidence": 0.7, "probabilities": {"x": 0.7, "None": 0.3}},
        "image_used": False,
        "notes": [],
    }
    assert RELATION.to_dict() == expected == json.loads(RELATION.to_json(indent=2))


def test_objects_are_written_with_the_names_of_their_files():
    objects = (VisualObject(Path("in/b.jpg"), Box(0, 0, 9, 9), "Ada", 0.5), VisualObject(ImageBytes(b"x"), score=0.1))
    prediction = EntityPrediction(text="Ada", entities=(), image_used=True, objects=objects)
    assert prediction.to_dict()["objects"] == [
        {"image": "b.jpg", "box": [0, 0, 9, 9], "phrase": "Ada", "score": 0.5},
        {"score": 0.1},
    ]


def test_the_text_form_is_short():
    assert repr(ENTITIES) == "EntityPrediction('Ada 😂', {'Ada': PER 0.50})"
    assert repr(RELATION) == "RelationPrediction('A' > x 0.70 > 'B')"


def test_predictions_can_be_pickled():
    assert pickle.loads(pickle.dumps(ENTITIES)) == ENTITIES
    assert pickle.loads(pickle.dumps(RELATION)) == RELATION


def test_html_marks_entities_and_escapes_everything(tmp_path):
    Image.new("RGB", (640, 480)).save(tmp_path / "a.png")
    text = "<script>alert(1)</script> Ada & Bob"
    prediction = EntityPrediction(
        text=text,
        entities=(TextEntity("Ada", '"><img>', 26, 29, 0.5),),
        image_used=True,
        objects=(VisualObject(box=Box(1, 2, 11, 22), phrase="</title><b>"),),
        image=tmp_path / "a.png",
    )
    page = prediction._repr_html_()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; <mark" in page and "&amp; Bob" in page
    assert "<script" not in page and "<img>" not in page and "</title><b>" not in page
    assert '<rect x="1" y="2" width="10" height="20"' in page
    assert 'viewBox="0 0 640 480" width="320" height="240"' in page and "data:image/jpeg;base64," in page


def test_html_of_a_relation_names_it_and_leaves_out_a_bad_image(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    prediction = RelationPrediction(
        text=RELATION.text,
        head=RELATION.head,
        tail=RELATION.tail,
        relation=RELATION.relation,
        image_used=True,
        image=tmp_path / "bad.png",
    )
    page = prediction._repr_html_()
    assert "A &gt; x (70.0%) &gt; B" in page and "svg" not in page
