"""Messages of the checks that authors of plugins call."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # tensors, any kind
    "difference-amount": Template("by {amount:.2g}", {"amount": 0.0123}),
    "difference-shape": Template("in shape: [{first}] and [{second}]", {"first": [3, 4], "second": [3, 5]}),
    "output-shape": Template(
        "Wrong shape of {output}: [{found}], expected [{expected}].",
        {"output": "weights", "expected": [3, 4], "found": [3, 1]},
    ),
    "output-dtype": Template(
        "Wrong dtype of {output}: {found}, expected torch.float32.", {"output": "states", "found": "torch.float64"}
    ),
    "output-not-finite": Template("NaN or infinite values in {output}.", {"output": "the penalty"}),
    "not-deterministic": Template("Two runs in evaluation mode differ."),
    "state-incomplete": Template("The outputs of a component and of a copy with its state dict differ."),
    "bf16-fails": Template(
        "The component fails under bf16 autocast: {reason}", {"reason": "Index put requires the same dtype"}
    ),
    "bf16-not-finite": Template("NaN or infinite values under bf16 autocast."),
    "no-gradient": Template("No gradient reaches {names}.", {"names": ["unused.weight", "unused.bias"]}),
    "gradients-not-finite": Template("Some gradients are NaN or infinite."),
    "gradients-zero": Template("All gradients are 0."),
    "prepared-names-differ": Template(
        "Two calls for the same example return tensors with different names: [{first}] and [{second}].",
        {"first": ["edges"], "second": ["edges", "spans"]},
    ),
    "prepared-values-differ": Template("Two calls for the same example return different values."),
    "batch-changes-output": Template(
        "The batch changes {output}: the values alone and in a batch differ {difference}.",
        {"output": "an example's weights", "difference": "by 0.012"},
    ),
    "trace-changes-output": Template("A trace changes {output}.", {"output": "states"}),
    "sum-not-one": Template(
        "The sum of {output} differs from 1 {difference}.", {"output": "a layer's weights", "difference": "by 1"}
    ),
    # backbones, projectors and gates
    "map-count": Template(
        "The backbone returns {found} maps, but declares {expected} levels.", {"found": 3, "expected": 4}
    ),
    "levels-unordered": Template(
        "The levels must be ordered from fine to coarse, but their strides are [{strides}].", {"strides": [32, 16, 8]}
    ),
    "weights-without-gradient": Template("No gradient can reach the trained weights."),
    "projector-width": Template(
        "The projector's width is {found}, expected d = {expected} or 2d.", {"found": 3, "expected": 16}
    ),
    "negative-weights": Template("Some weights are negative."),
    "missing-image-counts": Template(
        "The weights of a masked image change the penalty {difference}.", {"difference": "by 0.012"}
    ),
    # fusions
    "borrowed-module": Template("The fusion registers the text encoder or the backbone as its own submodule."),
    "nothing-fused": Template("The fusion returns neither states nor a pooled state."),
    "masked-image-counts": Template(
        "The outputs without images and with masked images differ {difference}.", {"difference": "by 0.012"}
    ),
    # heads
    "prediction-count": Template(
        "The head returns {found} predictions for {expected} examples.", {"found": 2, "expected": 3}
    ),
    "class-without-probability": Template("The probabilities must contain every class once."),
    "wrong-probabilities": Template(
        "The probabilities must be in descending order and sum to 1, but are [{values}].", {"values": [0.25, 0.75]}
    ),
    "label-not-likeliest": Template("The predicted label is not the most probable class."),
    "wrong-entities": Template(
        "The entities overlap, are not in order, or exceed the text: [{entities}].", {"entities": ["[1, 3) PER"]}
    ),
    "undeclared-type": Template("The entity type {type!r} is not among the labels.", {"type": "DOG"}),
    "wrong-confidence": Template("The confidence {confidence} is not within 0..1.", {"confidence": 1.5}),
    "padding-changes-loss": Template("Padding changes the loss {difference}.", {"difference": "by 0.012"}),
    "padding-changes-prediction": Template(
        "Padding changes a prediction: {first!s} and {second!s}.", {"first": "[1, 3) PER", "second": "[1, 2) PER"}
    ),
    "batch-changes-prediction": Template(
        "The batch changes a prediction: {first!s} alone, {second!s} in a batch.",
        {"first": "[1, 3) PER", "second": "[1, 2) PER"},
    ),
    # text encoders
    "encoding-not-deterministic": Template("Two encodings of the same example differ."),
    "saved-encoder-differs": Template(
        "The encoder that was loaded from its saved files encodes an example differently."
    ),
    "undeclared-prefix": Template("The encoder accepts a prefix, but was checked as one without (prefix=False)."),
    "vocabulary-without-parameter": Template(
        "vocabularies() names {name!r}, which is not a parameter of the encoder.", {"name": "words.weight"}
    ),
    "vocabulary-size": Template(
        "vocabularies() lists {found} rows of {name!r}, which has {expected}.",
        {"found": 9, "name": "words.weight", "expected": 10},
    ),
    "feature-lengths": Template(
        "The features and word_ids must have equal lengths, but have {lengths}.",
        {"lengths": {"input_ids": 7, "word_ids": 8}},
    ),
    "too-many-positions": Template(
        "The encoding uses {found} positions, allowed are {maximum}.", {"found": 82, "maximum": 16}
    ),
    "lost-words": Template(
        "Kept words ({kept}) and cut words ({cut}) must add up to the {words} words of the text.",
        {"kept": 2, "cut": 0, "words": 4},
    ),
    "wrong-word-starts": Template(
        "word_starts is [{found}], expected the first positions of the words [{expected}].",
        {"found": [0, 1], "expected": [1, 2]},
    ),
    "wrong-word-of": Template("word_ids refers to a word that was not kept."),
    "positions-without-pair": Template("An example without head and tail entities has positions for them."),
    "pair-cut": Template("The head or tail entity was cut off."),
    "pair-without-position": Template("The head or tail entity has no position."),
    "long-pair-accepted": Template("Head and tail entities that do not fit into the text must raise DataError."),
    "long-text-uncut": Template(
        "A text of {words} words was not cut to {maximum} positions.", {"words": 80, "maximum": 16}
    ),
    "prefix-ignored": Template("A prefix does not change the states."),
    "prefix-without-gradient": Template("No gradient reaches the prefix of some layer."),
    "masked-prefix-counts": Template(
        "The states with a masked prefix and without a prefix differ {difference}.", {"difference": "by 0.012"}
    ),
    "masked-position-counts": Template(
        "The values at masked positions of a prefix change the states {difference}.", {"difference": "by 0.012"}
    ),
    "attention-count": Template(
        "The trace holds {found} attention maps, but the encoder has {layers} layers.", {"layers": 3, "found": 2}
    ),
    "masked-prefix-attended": Template("A masked prefix gets attention."),
    "undeclared-layers": Template("The encoder accepts enable_layers, but was checked as one without (layers=False)."),
    "prefix-calls": Template(
        "The methods of a prefix must be called in the order enter_layer, for_layer, receive_context and "
        "feed_forward_input in every layer, with states [B, T, d]; called were {found}.",
        {"found": ["for_layer", "for_layer"]},
    ),
    "feed-forward-input-ignored": Template("What a prefix adds to the feed-forward maps has no effect."),
    "prefix-remembered": Template("A prefix has an effect on a later call without one."),
    # readers
    "reader-wrong-task": Template(
        "The labels are for the task {found!r}, expected {expected!r}.", {"found": "mre", "expected": "mner"}
    ),
    "reader-wrong-splits": Template(
        "The splits must be among {expected}, but are [{found}].", {"found": ["all"], "expected": ["train", "dev"]}
    ),
    "reader-without-examples": Template("The reader returns no examples."),
    "reader-not-deterministic": Template("Two reads of the same dataset return different examples."),
    "reader-text-differs": Template("A text-only read returns other sentences."),
    "reader-unwanted-images": Template("A text-only read returns images or objects."),
    "shared-example-id": Template("Some examples of {split} have the same id.", {"split": "train"}),
    "invalid-example": Template(
        "Invalid example of {split}: {reason}", {"split": "train", "reason": "example '1': 1 tags for 2 words"}
    ),
    "image-outside-root": Template(
        "An image of {split} is not under the images root {root}: {image}.",
        {"split": "train", "image": "/data/a.jpg", "root": "/elsewhere"},
    ),
    # detectors
    "detector-without-version": Template("The detector has no version."),
    "detector-threshold": Template("The detector's threshold {threshold} is not within 0..1.", {"threshold": 2.0}),
    "detector-unasked": Template("The detector must return no results for no queries."),
    "detector-answer-count": Template(
        "The detector returns {found} results for {expected} queries.", {"found": 2, "expected": 3}
    ),
    "detector-refuses-image": Template(
        "The detector returns an error for a valid image: {reason}", {"reason": "the image is too large"}
    ),
    "object-without-box": Template("An object has neither a box nor a crop."),
    "box-not-finite": Template("A box has NaN or infinite edges: {box}.", {"box": "Box(x1=0, y1=0, x2=nan, y2=5)"}),
    "score-outside": Template("The score {score} is not within 0..1.", {"score": 1.5}),
    "phrase-not-asked": Template(
        "An object has the phrase {phrase!r}, which was not in the query.", {"phrase": "a dog"}
    ),
    "phrases-not-needed": Template("The detector returns objects for a query without phrases."),
    "phrase-without-objects": Template("The detector returns no objects for a phrase, regardless of the score."),
    "phrases-interact": Template(
        "Other phrases change the best score of a phrase: {alone} alone, {together} with others.",
        {"alone": 0.5, "together": 0.4},
    ),
    "batch-changes-score": Template(
        "The batch changes the best score: {alone} alone, {together} in a batch.", {"alone": 0.5, "together": 0.4}
    ),
    "detector-not-deterministic": Template(
        "Two runs on the same image return {difference}.", {"difference": "it finds 3 and 2 objects"}
    ),
    "size-changes-objects": Template(
        "An image and the same image at double size (boxes halved) return {difference}.",
        {"difference": "it finds 3 and 2 objects"},
    ),
    "object-counts": Template("{first} and {second} objects", {"first": 3, "second": 2}),
    "object-phrases": Template(
        "objects of the phrases {first!r} and {second!r}", {"first": "a cat", "second": "a dog"}
    ),
    "object-scores": Template("the scores {first} and {second}", {"first": 0.5, "second": 0.4}),
    "object-boxes": Template(
        "the boxes {first} and {second}", {"first": "Box(0, 0, 5, 5)", "second": "Box(0, 0, 6, 5)"}
    ),
}
