"""Messages about records of users, and about the files of datasets that contain them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # Lines of a text file
    "line-not-utf8": Template("Byte {byte} of the line is not UTF-8. Save the file as UTF-8.", {"byte": 4}),
    "line-not-json": Template(
        "The line is not JSON: {text!r}. Expected {expected}.",
        {"text": "tokens: Ann", "expected": '{"text", "image"}'},
    ),
    "line-not-literal": Template(
        "Expected a JSON object or a Python literal (which is parsed, not executed), got {text!r}.",
        {"text": "import os"},
    ),
    "line-without-tab": Template("Expected word<TAB>tag, got {text!r} without a tab.", {"text": "Ann B-PER"}),
    "line-with-extra-tabs": Template(
        "Expected word<TAB>tag, got {text!r} with more than one tab.", {"text": "Ann\tx\tB-PER"}
    ),
    "file-truncated": Template(
        "The last line has no line end, so the file may be truncated: {reason}",
        {"reason": "Unknown tag 'B-P'; did you mean B-PER?"},
    ),
    "not-utf8": Template("{file} is UTF-16 or UTF-32. Save it as UTF-8.", {"file": "mine/train.jsonl"}),
    "line-too-long": Template("The line is longer than {megabytes} million bytes.", {"megabytes": 16}),
    "byte-order-mark": Template("The file begins with a byte order mark, which is ignored."),
    "windows-line-ends": Template(
        "{count} of {total} lines have Windows line ends, which are read like Unix line ends.", {"count": 8, "total": 9}
    ),
    # Records and their keys
    "record-not-object": Template(
        "Expected a JSON object {expected}, got {found!r:.80}.", {"expected": '{"text", "image"}', "found": '["Ann"]'}
    ),
    "record-of-other-task": Template(
        "Expected {expected} as in the previous records, got {found}.",
        {"expected": "entities", "found": "a pair and its relation"},
    ),
    "record-keys": Template("The record has the keys {keys}.", {"keys": ["id", "tokens"]}),
    "record-keys-unknown": Template(
        "The record has the keys {keys}. Unknown key {key!r}{hint}",
        {"keys": ["id", "token"], "key": "token", "hint": "; did you mean tokens?"},
    ),
    "record-empty": Template("The record is empty."),
    "keys-missing": Template(
        "Missing keys: {missing}. The record has the keys {keys}.",
        {"missing": ["h", "t"], "keys": ["token", "relation"]},
    ),
    "unknown-keys": Template("Unknown keys are ignored: {keys}", {"keys": ["'img'; did you mean image?"]}),
    "unknown-record-key": Template("{key!r}{hint}", {"key": "img", "hint": "; did you mean image?"}),
    "id-repeated": Template(
        "The id {id!r} is used by another example. It is changed to {unique!r}.", {"id": "7", "unique": "7#2"}
    ),
    "id-invalid": Template("Expected an id as a string or a number, got {found!r:.60}.", {"found": ["7"]}),
    "no-labels": Template(
        'Expected "tags", "entities" or a pair with "head", "tail" and "relation". {found}',
        {"found": "The record has the keys id, tokens."},
    ),
    # Words
    "no-tokens-or-text": Template(
        'Expected "tokens" or "text". {found}',
        {"found": "The record has the keys id, token. Unknown key 'token'; did you mean tokens?"},
    ),
    "tokens-and-text": Template(
        'Expected "tokens" or "text", got both. Spans count words of "tokens" but characters of "text".'
    ),
    "no-words": Template("The sentence has no words."),
    "record-of-prepared-data": Template(
        'Expected "tokens" or "text", got "words" as in prepared data, which `hvp eval --predictions FILE` predicts.'
    ),
    "text-not-a-string": Template("Expected text as a string, got {found!r:.60}.", {"found": 5}),
    "text-without-words": Template("Expected a text with at least one word, got {text!r:.60}.", {"text": " "}),
    "tokens-not-strings": Template(
        'Expected "tokens" as a list of strings, got {found!r:.80}.', {"found": "Ann of Rome"}
    ),
    "blank-token": Template("A token that contains only blanks is removed: {text!r}.", {"text": " "}),
    "blanks-removed": Template("Blanks around a word or tag are removed: {text!r}.", {"text": " Ann"}),
    "lone-surrogate": Template(
        "Lone surrogate {character} after {before!r}. The text was truncated or decoded incorrectly.",
        {"character": "U+D83D", "before": "Ann in "},
    ),
    "empty-line-in-tweet": Template("An empty line inside tweet {tweet!r} is ignored.", {"tweet": "16_05_01"}),
    "tweet-without-words": Template("Tweet {tweet!r} has no words.", {"tweet": "16_05_01"}),
    "tweet-without-image-name": Template('The tweet has no image name after "IMGID:".'),
    "words-before-first-tweet": Template(
        'Expected a line "IMGID:<id>" before the first word, got {text!r}.', {"text": "Ann\tB-PER"}
    ),
    # Tags and entities
    "unknown-tag": Template("Unknown tag {tag!r}{hint}", {"tag": "B-PERS", "hint": "; did you mean B-PER?"}),
    "tag-not-bio": Template(
        "Unknown tag {tag!r}. Expected O, B-TYPE or I-TYPE, or tags of IOBES, BILOU or BMES.", {"tag": "X"}
    ),
    "tag-converted": Template(
        "Tag {tag!r} of {word!r} is converted to {converted!r} (BIO).",
        {"tag": "U-LOC", "word": "Rome", "converted": "B-LOC"},
    ),
    "tag-without-prefix": Template(
        "Tag {tag!r} of {word!r} has no prefix and is read as {converted!r}; a run of equal tags is one entity.",
        {"tag": "PER", "word": "Ann", "converted": "B-PER"},
    ),
    "tag-repaired": Template(
        "Tag {tag!r} of {word!r} follows {previous} and continues no entity. It is changed to B-.",
        {"tag": "I-PER", "word": "Ann", "previous": "the beginning"},
    ),
    "other-as-misc": Template("Type OTHER of {word!r} is read as MISC.", {"word": "World"}),
    "tag-count-mismatch": Template(
        "Expected {expected} tags, one for each token, got {found}.", {"expected": 2, "found": 1}
    ),
    "tags-not-list": Template(
        "Expected a list of {expected} tags, one for each token, got {found!r:.60}.", {"expected": 2, "found": "O O"}
    ),
    "tags-without-tokens": Template('"tags" require "tokens". For a record with "text", use "entities".'),
    "entities-without-text": Template(
        '"entities" require "text", because they count characters. For a record with "tokens", use "tags".'
    ),
    "entities-not-list": Template('Expected "entities" as a list, got {found!r:.80}.', {"found": {"start": 0}}),
    "entities-overlap": Template(
        "Entity {number} ({text!r}) shares words with another entity.", {"number": 2, "text": "Lee"}
    ),
    "entity-repeated": Template(
        "Entity {number} ({text!r}, {type}) is listed twice. It is used once.",
        {"number": 2, "text": "Lee", "type": "PER"},
    ),
    "entity-type-missing": Template(
        "Expected a string as the type of entity {number}, got {type!r}.", {"number": 1, "type": None}
    ),
    "entity-type-like-tag": Template(
        "The type {type!r} of entity {number} looks like a BIO tag and is kept unchanged.",
        {"number": 1, "type": "B-PER"},
    ),
    # Spans
    "span-missing": Template(
        "Expected {name} as {expected}, got {found!r:.80}.",
        {"name": "head", "expected": '[start, end] or {"start": ..., "end": ...}', "found": [0]},
    ),
    "span-not-integers": Template(
        "Expected two integers as the span of {name}, got [{start!r}, {end!r}].",
        {"name": "head", "start": "0", "end": 1},
    ),
    "span-outside": Template(
        "The span [{start}, {end}) of {name} is outside the sentence, which has {length} {unit}.",
        {"name": "head", "start": 0, "end": 4, "length": 3, "unit": "words"},
    ),
    "span-empty": Template("The span [{start}, {end}) of {name} is empty.", {"name": "head", "start": 1, "end": 1}),
    "span-blank": Template(
        "The span [{start}, {end}) of {name} contains only blanks.", {"name": "head", "start": 1, "end": 3}
    ),
    "span-inside-word": Template(
        "The span of {name}, {text!r}, begins or ends inside a word. It is extended to {widened!r}.",
        {"name": "entity 1", "text": "Trump", "widened": "pro-Trump"},
    ),
    "span-text-mismatch": Template(
        "Expected {expected!r} as {name}, but characters [{start}, {end}) are {found!r}. Count Unicode code points.",
        {"name": "entity 1", "expected": "Ann", "start": 3, "end": 5, "found": "nn"},
    ),
    "name-mismatch": Template(
        "Expected {expected!r} as {name}, but the words of its span are {found!r}.",
        {"name": "h", "expected": "Rome", "found": "Ann"},
    ),
    # Pairs and relations
    "unknown-relation": Template(
        "Unknown relation {relation!r}{hint}", {"relation": "/per/per/peers", "hint": "; did you mean /per/per/peer?"}
    ),
    "relation-missing": Template(
        'Expected "relation" as a string ("None" for a pair without relation), got {found!r}.', {"found": None}
    ),
    "relation-like-none": Template(
        "The relation {relation!r} is scored as a relation that is found. For a pair without relation, use 'None'.",
        {"relation": "no_relation"},
    ),
    "head-tail-overlap": Template(
        "Head [{head}) and tail [{tail}) share words. The example is kept.", {"head": [0, 3], "tail": [2, 3]}
    ),
    "pair-unexpected": Template(
        "This model finds entities (mner) and takes no head or tail. Use a model for relations (mre)."
    ),
    "pair-missing": Template(
        "Expected a head and a tail entity, between which there is a relation (mre), got neither."
    ),
    "mention-missing": Template("Expected a head and a tail entity, but the {role} is missing.", {"role": "tail"}),
    # Head and tail entities in a text
    "mention-blank": Template(
        "{role} is blank. Expected words of the text, or their characters as start:end.", {"role": "head"}
    ),
    "mention-not-start-end": Template(
        "{role} {found!r} is not start:end. Expected two character positions, such as 0:{end}.",
        {"role": "head", "found": "5:", "end": 5},
    ),
    "mention-not-in-text": Template(
        "{role} {mention!r} does not occur in the text {text!r}{hint}",
        {"role": "head", "mention": "jun", "text": "Jun and Ada", "hint": "; did you mean 'Jun'?"},
    ),
    "mentions-overlap": Template(
        "head {head!r} (characters {head_start}:{head_end}) and tail {tail!r} (characters "
        "{tail_start}:{tail_end}) overlap. Name two separate entities, or give both as characters "
        "({head_start}:{head_end} and {tail_start}:{tail_end}).",
        {"head": "GQ japan", "head_start": 26, "head_end": 34, "tail": "GQ", "tail_start": 26, "tail_end": 28},
    ),
    "mention-repeated": Template(
        "{role} {mention!r} occurs {count} times in the text. Occurrence {number} (characters {start}:{end}) was used.",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "number": 1, "count": 3},
    ),
    "mention-inside-word": Template(
        "{role} {mention!r} (characters {start}:{end}) is a part of {word!r}. The word was cut.",
        {"role": "head", "mention": "Jun", "start": 0, "end": 3, "word": "June"},
    ),
    "mention-taken-literally": Template(
        "{role} {mention!r} occurs in the text and was used as words, not as character positions.",
        {"role": "tail", "mention": "0:3"},
    ),
    # Images and objects
    "image-invalid": Template(
        "Expected an image as a file, its bytes or an opened image, got {found!r:.60}.", {"found": 7}
    ),
    "image-not-in-file": Template(
        "Prepared data refers to the files of its images, but {image!r} is in memory.", {"image": "image in memory"}
    ),
    "image-not-file-name": Template(
        'Expected a file name in "{key}", got {found!r:.60}.', {"key": "image", "found": 7}
    ),
    "image-name-invalid": Template(
        'Expected a file name in "{key}", got {name!r:.60} ({reason}).',
        {"key": "image", "name": "a\x00b", "reason": "embedded null byte"},
    ),
    "image-outside-folder": Template(
        "Image {image!r:.200} is outside of {folder}. Name its folder with --images.",
        {"image": "../a.jpg", "folder": "/data"},
    ),
    "image-is-url": Template(
        "Image {url} is a URL, and images are not downloaded. Name a file.", {"url": "https://example.org/a.jpg"}
    ),
    "pair-without-image-name": Template(
        'Expected an image name in "img_id", got {found!r}. The pair is used without image.', {"found": None}
    ),
    "objects-not-list": Template('Expected "objects" as a list, got {found!r:.60}.', {"found": "a.jpg"}),
    "object-record-invalid": Template(
        'Expected an object as a file name or {{"box": [x0, y0, x1, y1]}}, got {found!r:.60}.', {"found": {"boxes": []}}
    ),
    "box-invalid": Template(
        "Expected a box as [x0, y0, x1, y1] with x0 < x1 and y0 < y1, got {found!r:.60}.", {"found": [3, 0, 3, 4]}
    ),
    "box-without-image": Template(
        "An object is given as a box, but there is no image to crop it from. Give the image, or a crop of the object."
    ),
    "box-clipped": Template(
        "The box [{box}] extends beyond its image of {width} x {height} pixels. The part in the image is used.",
        {"box": (-4.0, 0.0, 20.0, 20.0), "width": 32, "height": 24},
    ),
    "box-outside": Template(
        "The box [{box}] is outside its image of {width} x {height} pixels.",
        {"box": (40.0, 0.0, 60.0, 20.0), "width": 32, "height": 24},
    ),
    "box-relative": Template(
        "No edge of the box [{box}] is above 1 in an image of {width} x {height} pixels. Give boxes in pixels.",
        {"box": (0.1, 0.2, 0.5, 0.9), "width": 32, "height": 32},
    ),
    "crop-list-unreadable": Template(
        "{file} cannot be read safely ({reason}).",
        {"file": "mre_train_dict.pth", "reason": "Weights only load failed."},
    ),
    "crop-list-not-dict": Template("Expected a dict in {file}.", {"file": "mre_train_dict.pth"}),
    "crop-list-malformed": Template(
        "Expected a list of file names for each image name or line in {file}, got {key!r}: {found!r:.80}.",
        {"file": "mre_train_dict.pth", "key": "10.jpg", "found": "10_crop_0.png"},
    ),
    "name-image-folder": Template("Name the folder of the images with --images."),
    "name-images": Template("Name an image in each example."),
    "unpack-images": Template(
        "The images of {dataset} are a separate archive that is linked from the page of its authors. "
        'Unpack it to {folder}, or to any folder whose name contains "images".',
        {"dataset": "twitter2017", "folder": "twitter2017_images/<id>.jpg"},
    ),
    # Files and whole datasets
    "nothing-usable": Template(
        "No example of {file} can be used. The first errors:\n{problems:lines}",
        {"file": "train.txt", "problems": ["train.txt:2: Unknown tag 'X'. Expected O, B-TYPE or I-TYPE."]},
    ),
    "split-file-empty": Template(
        "{file} is empty. Delete it if there are no {split} examples.", {"file": "mine/dev.jsonl", "split": "dev"}
    ),
    "split-twice": Template(
        "Both {first} and {second} are the {split} split. Keep one of them.",
        {"first": "mine/dev.jsonl", "second": "mine/valid.jsonl", "split": "dev"},
    ),
    "no-split-files": Template(
        "{folder} has no {format} file that is named after a split, such as train, dev or test.",
        {"folder": "mine", "format": "jsonl"},
    ),
    "no-entities": Template("No example of {data} has an entity, so there is nothing to learn.", {"data": "mine"}),
    "no-relations": Template(
        "No example of {data} has a relation other than None, so there is nothing to learn.", {"data": "mine"}
    ),
    "data-path-missing": Template("There is no file or folder {path}.", {"path": "mine"}),
    "data-already-prepared": Template(
        "{folder} is prepared data already. Use it in a recipe or with --data.", {"folder": "data/mine"}
    ),
    "root-missing": Template(
        "There is no folder {folder}. Name the folder of {dataset} with --root.",
        {"folder": "downloads", "dataset": "mnre"},
    ),
    "no-text-files": Template(
        "There are no text files of {dataset} under {folder}. Expected {expected}. Name another folder with --root.",
        {
            "dataset": "mnre",
            "folder": "downloads",
            "expected": "RE_data/txt/ours_{train,val,test}.txt or mnre/mnre_{train,val,test}.txt",
        },
    ),
    "dataset-found-twice": Template(
        "{dataset} was found more than once: {folders}. Name one of them with --root.",
        {"dataset": "twitter2017", "folders": ["twitter2017", "twitter_2017"]},
    ),
    "only-one-image": Template("All examples with an image share the same one, so that images cannot be shuffled."),
    # Examples of prepared data
    "example-word-empty": Template(
        "Example {id!r}: expected one or more non-empty words, got {words!r}.", {"id": "7", "words": ["Ann", ""]}
    ),
    "example-span-outside": Template(
        "Example {id!r}: the span [{start}, {end}) is outside its {length} words.",
        {"id": "7", "start": 0, "end": 4, "length": 3},
    ),
    "example-without-pair": Template("Example {id!r}: relation extraction requires a head and a tail.", {"id": "7"}),
    "example-tag-count-mismatch": Template(
        "Example {id!r}: expected {expected} tags, one for each word, got {found}.",
        {"id": "7", "found": 1, "expected": 2},
    ),
    "example-label-unknown": Template(
        "Example {id!r}: {label!r} is not one of the labels of the dataset ({labels}).",
        {"id": "7", "label": "B-DOG", "labels": ["O", "B-PER"]},
    ),
    # Demo data
    "demo-task-unknown": Template("Expected mner or mre as --task, got {task!r}.", {"task": "ner"}),
    "demo-fraction-invalid": Template(
        "Expected a fraction from 0 to 1 as --{option}, for example 0.3, got {value}.",
        {"option": "uninformative", "value": 30.0},
    ),
    "demo-seed-negative": Template("Expected an integer of at least 0 as --seed, got {seed}.", {"seed": -1}),
    "demo-too-small": Template(
        "Expected at least {minimum} as --size, so that every {what} occurs in every split, got {size}.",
        {"size": 5, "what": "type", "minimum": 24},
    ),
    "demo-reads-no-files": Template(
        "The demo data is generated and reads no files. "
        "Leave out --root {root} and name the output folder with --output.",
        {"root": "downloads"},
    ),
}
