"""Messages of the checks that authors of plugins call."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # ---------------------------------------------------------------------------------------------------- tensors, any kind
    "difference-amount": Template("by {amount:.2g}", {"amount": 0.0123}),
    "difference-shape": Template("in shape: [{first}] and [{second}]", {"first": [3, 4], "second": [3, 5]}),
    "output-shape": Template("{output} should be [{expected}], not [{found}]", {"output": "weights", "expected": [3, 4], "found": [3, 1]}),
    "output-dtype": Template("{output} should be float32, not {found}", {"output": "states", "found": "torch.float64"}),
    "output-not-finite": Template("{output} should be finite", {"output": "the penalty"}),
    "not-deterministic": Template("two runs in evaluation mode differ"),
    "state-incomplete": Template("its output and that of another one with its state differ"),
    "bf16-fails": Template("under autocast to bf16 it fails: {reason}", {"reason": "Index put requires the same dtype"}),
    "bf16-not-finite": Template("under autocast to bf16 some numbers are not finite"),
    "no-gradient": Template("no gradient reaches {names}", {"names": ["unused.weight", "unused.bias"]}),
    "gradients-not-finite": Template("some gradients are not finite"),
    "gradients-zero": Template("every gradient is 0"),
    "prepared-names-differ": Template(
        "what is prepared for an example has other names the second time: [{first}] and [{second}]",
        {"first": ["edges"], "second": ["edges", "spans"]},
    ),
    "prepared-values-differ": Template("what is prepared for an example, and the same again, differ"),
    "batch-changes-output": Template(
        "{output} alone and in a batch differ {difference}", {"output": "an example's weights", "difference": "by 0.012"}
    ),
    "trace-changes-output": Template("{output} with and without a trace differ", {"output": "states"}),
    "sum-not-one": Template("{output} added up, and 1, differ {difference}", {"output": "a layer's weights", "difference": "by 1"}),
    # -------------------------------------------------------------------------------------- backbones, projectors and gates
    "map-count": Template("it gives {found} maps and declares {expected} levels", {"found": 3, "expected": 4}),
    "levels-unordered": Template("its levels do not go from fine to coarse: their strides are [{strides}]", {"strides": [32, 16, 8]}),
    "weights-without-gradient": Template("no gradient can reach its weights"),
    "projector-width": Template("its width is {found}, neither d = {expected} nor 2d", {"found": 3, "expected": 16}),
    "negative-weights": Template("some weights are below 0"),
    "missing-image-counts": Template(
        "the penalties before and after a missing image's weights change differ {difference}", {"difference": "by 0.012"}
    ),
    # ------------------------------------------------------------------------------------------------------------- fusions
    "borrowed-module": Template("it keeps the text encoder or the backbone as its own part"),
    "nothing-fused": Template("it gives neither states nor a pooled state"),
    "masked-image-counts": Template(
        "what it gives without images and with all of them masked differ {difference}", {"difference": "by 0.012"}
    ),
    # --------------------------------------------------------------------------------------------------------------- heads
    "prediction-count": Template("it decodes {found} predictions of {expected} examples", {"found": 2, "expected": 3}),
    "class-without-probability": Template("it does not give every class a probability"),
    "wrong-probabilities": Template("probabilities [{values}] do not fall, or sum to 1", {"values": [0.25, 0.75]}),
    "label-not-likeliest": Template("its label is not the likeliest class"),
    "wrong-entities": Template("entities overlap, are not in order, or leave the text: [{entities}]", {"entities": ["[1, 3) PER"]}),
    "undeclared-type": Template("{type!r} is no type of the labels", {"type": "DOG"}),
    "wrong-confidence": Template("a confidence of {confidence} is no probability", {"confidence": 1.5}),
    "padding-changes-loss": Template("the losses before and after padding changes differ {difference}", {"difference": "by 0.012"}),
    "padding-changes-prediction": Template(
        "predictions before and after padding changes differ: {first!s} and {second!s}", {"first": "[1, 3) PER", "second": "[1, 2) PER"}
    ),
    "batch-changes-prediction": Template(
        "predictions alone and in a batch differ: {first!s} and {second!s}", {"first": "[1, 3) PER", "second": "[1, 2) PER"}
    ),
    # ------------------------------------------------------------------------------------------------------- text encoders
    "encoding-not-deterministic": Template("it encodes the same example otherwise the second time"),
    "saved-encoder-differs": Template("opened from the folder that it wrote, it encodes otherwise"),
    "undeclared-prefix": Template("it accepts a prefix, though it was not said to take one"),
    "vocabulary-without-parameter": Template("vocabularies names {name}, which is no parameter of it", {"name": "words.weight"}),
    "vocabulary-size": Template(
        "vocabularies names {found} rows of {name}, which has {expected}", {"found": 9, "name": "words.weight", "expected": 10}
    ),
    "feature-lengths": Template("features and word_of differ in length: {lengths}", {"lengths": {"input_ids": 7, "word_of": 8}}),
    "too-many-positions": Template("it uses {found} positions, of {maximum} at most", {"found": 82, "maximum": 16}),
    "lost-words": Template("{kept} words kept and {cut} cut are not {words}", {"kept": 2, "cut": 0, "words": 4}),
    "wrong-word-starts": Template(
        "word_starts [{found}] are not the words' first positions [{expected}]", {"found": [0, 1], "expected": [1, 2]}
    ),
    "wrong-word-of": Template("word_of names a word that was not kept"),
    "positions-without-pair": Template("an example without a pair has positions for one"),
    "pair-cut": Template("an entity of the pair was cut away"),
    "pair-without-position": Template("an entity of the pair has no position of its own"),
    "long-pair-accepted": Template("a pair that does not fit is not refused with DataError"),
    "long-text-uncut": Template("a text of {words} words was not cut to {maximum} positions", {"words": 80, "maximum": 16}),
    "prefix-ignored": Template("a prefix does not move the states"),
    "prefix-without-gradient": Template("no gradient reaches the prefix of some layer"),
    "masked-prefix-counts": Template("states with a masked prefix and without one differ {difference}", {"difference": "by 0.012"}),
    "masked-position-counts": Template(
        "states before and after masked positions of a prefix change differ {difference}", {"difference": "by 0.012"}
    ),
    "attention-count": Template("a trace of {layers} layers holds {found} attention maps", {"layers": 3, "found": 2}),
    "masked-prefix-attended": Template("a masked prefix gets attention"),
    # ------------------------------------------------------------------------------------------------------------- readers
    "reader-wrong-task": Template("its labels are for {found}, not {expected}", {"found": "mre", "expected": "mner"}),
    "reader-wrong-splits": Template("its splits [{found}] are not among {expected}", {"found": ["all"], "expected": ["train", "dev"]}),
    "reader-without-examples": Template("it finds no example"),
    "reader-not-deterministic": Template("it gives other examples the second time"),
    "reader-text-differs": Template("it gives other examples without images"),
    "reader-unwanted-images": Template("it names images where none are wanted"),
    "shared-example-id": Template("some examples of {split} have the same id", {"split": "train"}),
    "invalid-example": Template("{split}: {reason}", {"split": "train", "reason": "example '1': 1 tags for 2 words"}),
    "image-outside-root": Template(
        "{split}: the image {image} does not lie under {root}", {"split": "train", "image": "/data/a.jpg", "root": "/elsewhere"}
    ),
    # ----------------------------------------------------------------------------------------------------------- detectors
    "detector-without-version": Template("it has no version"),
    "detector-threshold": Template("its threshold is {threshold}, not within 0..1", {"threshold": 2.0}),
    "detector-unasked": Template("it answers when nothing is asked"),
    "detector-answer-count": Template("it gives {found} answers to {expected} queries", {"found": 2, "expected": 3}),
    "detector-refuses-image": Template("a sound image is answered with an error: {reason}", {"reason": "the image is too large"}),
    "object-without-box": Template("an object has neither a box nor a crop"),
    "box-not-finite": Template("a box is not finite: {box}", {"box": "Box(x1=0, y1=0, x2=nan, y2=5)"}),
    "score-outside": Template("a score is {score}, not within 0..1", {"score": 1.5}),
    "phrase-not-asked": Template("an object is for {phrase!r}, which was not asked for", {"phrase": "a dog"}),
    "phrases-not-needed": Template("it finds objects without being asked for any"),
    "phrase-without-objects": Template("it finds nothing for a phrase, whatever the score"),
    "phrases-interact": Template("a phrase's best score is {alone} alone and {together} among others", {"alone": 0.5, "together": 0.4}),
    "batch-changes-score": Template("alone and in a batch, the best scores are {alone} and {together}", {"alone": 0.5, "together": 0.4}),
    "detector-not-deterministic": Template("asked twice, {difference}", {"difference": "it finds 3 and 2 objects"}),
    "size-changes-objects": Template("asked with twice the size, halved, {difference}", {"difference": "it finds 3 and 2 objects"}),
    "object-counts": Template("it finds {first} and {second} objects", {"first": 3, "second": 2}),
    "object-phrases": Template("it finds {first!r} and {second!r}", {"first": "a cat", "second": "a dog"}),
    "object-scores": Template("scores are {first} and {second}", {"first": 0.5, "second": 0.4}),
    "object-boxes": Template("boxes are {first} and {second}", {"first": "Box(0, 0, 5, 5)", "second": "Box(0, 0, 6, 5)"}),
}
