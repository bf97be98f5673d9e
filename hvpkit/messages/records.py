"""Messages about JSON records of users: sentences, mentions, entities, pairs, objects; and about the files of datasets that hold them."""

from __future__ import annotations

from hvpkit.messages import Template

TEMPLATES: dict[str, Template] = {
    # ------------------------------------------------------------------------------------------------- lines of a text file
    "line-not-utf8": Template("byte {byte} of the line is not UTF-8; save the file as UTF-8", {"byte": 4}),
    "line-not-json": Template(
        "the line is not JSON ({reason}): {text!r}; expected {expected}",
        {"reason": "Expecting value: line 1 column 1 (char 0)", "text": "tokens: Ann", "expected": '{"text", "image"}'},
    ),
    "line-not-literal": Template("it is not run, and cannot be read: {text!r}", {"text": "import os"}),
    "line-without-tab": Template("expected word<TAB>tag, got {text!r}", {"text": "Ann B-PER"}),
    "line-with-extra-tabs": Template("expected word<TAB>tag, got {text!r}", {"text": "Ann\tx\tB-PER"}),
    "file-truncated": Template("the last line has no end, and {reason}", {"reason": "tag 'B-P' is unknown; did you mean B-PER?"}),
    "file-utf16": Template("{file} is UTF-16; save it as UTF-8", {"file": "mine/train.jsonl"}),
    "byte-order-mark": Template("the file begins with a byte order mark, ignored"),
    "windows-line-ends": Template("Windows line end, read as a plain one: {count} of {total} lines", {"count": 8, "total": 9}),
    # -------------------------------------------------------------------------------------------------- records and their keys
    "record-not-object": Template(
        "expected a JSON object {expected}, got {found!r:.80}", {"expected": '{"text", "image"}', "found": '["Ann"]'}
    ),
    "record-not-dict": Template("expected a dict, got {found!r}", {"found": "['Ann']"}),
    "record-of-other-task": Template(
        "the records before have {expected}, this one has {found}", {"expected": "entities", "found": "a pair and its relation"}
    ),
    "record-keys": Template("it has {keys}", {"keys": ["id", "tokens"]}),
    "record-keys-unknown": Template(
        "it has {keys}; {key!r} is unknown{hint}", {"keys": ["id", "token"], "key": "token", "hint": "; did you mean tokens?"}
    ),
    "record-empty": Template("it has nothing"),
    "keys-missing": Template("it has no {missing}; it has {keys}", {"missing": ["h", "t"], "keys": ["token", "relation"]}),
    "unknown-keys": Template("key that is not known, not read: {keys}", {"keys": ["'img'; did you mean image?"]}),
    "unknown-record-key": Template("{key!r}{hint}", {"key": "img", "hint": "; did you mean image?"}),
    "id-repeated": Template("id used before, made unique: {id!r} is now {unique!r}", {"id": "7", "unique": "7#2"}),
    "no-labels": Template('it has neither "tags" nor "entities", nor a pair; {found}', {"found": "it has id, tokens"}),
    # ------------------------------------------------------------------------------------------------------------------- words
    "no-tokens-or-text": Template("{found}", {"found": "it has id, token; 'token' is unknown; did you mean tokens?"}),
    "tokens-and-text": Template('give "tokens" or "text", not both: spans count words in the one and characters in the other'),
    "no-words": Template("there are no words"),
    "text-without-words": Template("no words: the text is {text!r:.60}", {"text": " "}),
    "tokens-not-strings": Template("expected tokens as a list of strings, got {found!r:.80}", {"found": "Ann of Rome"}),
    "blank-token": Template("word of blanks alone, dropped: {text!r}", {"text": " "}),
    "blanks-removed": Template("blanks around a word or tag, removed: {text!r}", {"text": " Ann"}),
    "lone-surrogate": Template(
        "{character}, after {before!r}, is half of a character: the text was cut or badly decoded",
        {"character": "U+D83D", "before": "Ann in "},
    ),
    "empty-line-in-tweet": Template("empty line inside tweet {tweet}, ignored", {"tweet": "16_05_01"}),
    "tweet-without-words": Template("tweet {tweet!r} has no words", {"tweet": "16_05_01"}),
    "tweet-without-image-name": Template("tweet without an image's name: nothing follows IMGID:"),
    "words-before-first-tweet": Template("{text!r} belongs to no tweet", {"text": "Ann\tB-PER"}),
    # --------------------------------------------------------------------------------------------------------- tags and entities
    "unknown-tag": Template("tag {tag!r} is unknown{hint}", {"tag": "B-PERS", "hint": "; did you mean B-PER?"}),
    "tag-not-bio": Template("tag {tag!r} is unknown; expected O, B-TYPE or I-TYPE", {"tag": "S-PER"}),
    "tag-repaired": Template(
        "I- tag that continues nothing, made B-: {tag} of {word!r} after {previous}",
        {"tag": "I-PER", "word": "Ann", "previous": "the beginning"},
    ),
    "other-as-misc": Template("type OTHER, read as MISC: {word!r}", {"word": "World"}),
    "tag-count-mismatch": Template("{expected} tokens have {found} tags", {"expected": 2, "found": 1}),
    "tags-not-list": Template("{expected} tokens have {found!r:.60}", {"expected": 2, "found": "O O"}),
    "tags-without-tokens": Template('"tags" belong to "tokens"; a "text" has "entities"'),
    "entities-without-text": Template('"entities" count the characters of a "text"; "tokens" have "tags"'),
    "entities-not-list": Template("entities are not a list: got {found!r:.80}", {"found": {"start": 0}}),
    "entities-overlap": Template("entity {number}, {text!r}, shares words with another", {"number": 2, "text": "Lee"}),
    "entity-type-missing": Template("entity {number} has the type {type!r}", {"number": 1, "type": None}),
    "entity-type-like-tag": Template("entity {number} has the type {type!r}, which stays as it is", {"number": 1, "type": "B-PER"}),
    # ------------------------------------------------------------------------------------------------------------------- spans
    "span-missing": Template(
        "{name} must be {expected}, got {found!r:.80}", {"name": "head", "expected": '{"start": ..., "end": ...}', "found": [0, 1]}
    ),
    "span-not-integers": Template(
        "span is not two whole numbers: {name} is [{start!r}, {end!r}]", {"name": "head", "start": "0", "end": 1}
    ),
    "span-outside": Template(
        "{name} is [{start}, {end}), the sentence has {length} {unit}", {"name": "head", "start": 0, "end": 4, "length": 3, "unit": "words"}
    ),
    "span-empty": Template("empty span: {name} is [{start}, {end})", {"name": "head", "start": 1, "end": 1}),
    "span-blank": Template("{name} is [{start}, {end}), where there are only blanks", {"name": "head", "start": 1, "end": 3}),
    "span-inside-word": Template(
        "span that begins or ends inside a word, widened to it: {name} {text!r} is now {widened!r}",
        {"name": "entity 1", "text": "Trump", "widened": "pro-Trump"},
    ),
    "span-text-mismatch": Template(
        "{name} should be {expected!r}, characters [{start}, {end}) are {found!r}; count code points",
        {"name": "entity 1", "expected": "Ann", "start": 3, "end": 5, "found": "nn"},
    ),
    "name-mismatch": Template("{name} is {expected!r}, the words are {found!r}", {"name": "h", "expected": "Rome", "found": "Ann"}),
    # ------------------------------------------------------------------------------------------------------ pairs and relations
    "unknown-relation": Template(
        "relation {relation!r} is unknown{hint}", {"relation": "/per/per/peers", "hint": "; did you mean /per/per/peer?"}
    ),
    "relation-missing": Template('expected a string "relation", got {found!r}; a pair without relation has "None"', {"found": None}),
    "relation-like-none": Template("{relation!r} is a relation of its own; a pair without one has 'None'", {"relation": "none"}),
    "head-tail-overlap": Template("head and tail share words, kept: head [{head}), tail [{tail})", {"head": [0, 3], "tail": [2, 3]}),
    # ------------------------------------------------------------------------------------------------------- images and objects
    "image-not-file-name": Template('expected a file name in "{key}", got {found!r:.60}', {"key": "image", "found": 7}),
    "image-name-invalid": Template(
        '"{key}" has {name!r:.60}, which is no file name ({reason})', {"key": "image", "name": "a\x00b", "reason": "embedded null byte"}
    ),
    "image-outside-folder": Template(
        "expected an image within {folder}, named relative to it, got {image!r:.200}", {"image": "../a.jpg", "folder": "/data"}
    ),
    "pair-without-image-name": Template("pair without an image's name: img_id is {found!r}", {"found": None}),
    "objects-not-list": Template("expected objects as a list, got {found!r:.60}", {"found": "a.jpg"}),
    "object-record-invalid": Template(
        'expected an object as a file name or {{"box": [x0, y0, x1, y1]}}, got {found!r:.60}', {"found": {"boxes": []}}
    ),
    "box-invalid": Template("expected a box as [x0, y0, x1, y1] with x0 < x1 and y0 < y1, got {found!r:.60}", {"found": [3, 0, 3, 4]}),
    "box-outside": Template(
        "the box [{box}] covers nothing of its image of {width} x {height} pixels",
        {"box": (40.0, 0.0, 60.0, 20.0), "width": 32, "height": 24},
    ),
    "box-relative": Template(
        "the box [{box}] is less than a pixel of its image of {width} x {height} pixels; give boxes in pixels, not in shares",
        {"box": (0.1, 0.2, 0.5, 0.9), "width": 32, "height": 32},
    ),
    "crop-list-unreadable": Template(
        "{file} cannot be read safely ({reason})", {"file": "mre_train_dict.pth", "reason": "Weights only load failed."}
    ),
    "crop-list-not-dict": Template("{file} holds no dict", {"file": "mre_train_dict.pth"}),
    "crop-list-malformed": Template(
        "{file}: expected an image's name or line with a list of file names, got {key!r}: {found!r:.80}",
        {"file": "mre_train_dict.pth", "key": "10.jpg", "found": "10_crop_0.png"},
    ),
    "name-images": Template("name each example's image"),
    "unpack-images": Template(
        "the images of {dataset} are not part of its text files: its authors give them as an archive of their own, linked from the "
        "dataset's page; unpack it so that they lie in {folder}, or in any folder whose name contains `images`",
        {"dataset": "twitter2017", "folder": "twitter2017_images/<id>.jpg"},
    ),
    # ------------------------------------------------------------------------------------------------- files and whole datasets
    "nothing-usable": Template(
        "nothing in {file} can be used:\n{problems:lines}",
        {"file": "train.txt", "problems": ["train.txt:2: tag 'X' is unknown; expected O, B-TYPE or I-TYPE"]},
    ),
    "split-file-empty": Template("{file} is empty; remove it if there are no {split} examples", {"file": "mine/dev.jsonl", "split": "dev"}),
    "split-twice": Template(
        "both {first} and {second} are the {split} split; keep one of them",
        {"first": "mine/dev.jsonl", "second": "mine/valid.jsonl", "split": "dev"},
    ),
    "no-split-files": Template(
        "{folder} holds no train.jsonl, dev.jsonl or test.jsonl; for the text files of a public dataset name that, for example "
        "`hvp preprocess twitter2017 --root {folder}`",
        {"folder": "mine"},
    ),
    "no-entities": Template("no example of {data} has any entity: there is nothing to learn from it", {"data": "mine"}),
    "no-relations": Template("no example of {data} has any relation other than None: there is nothing to learn from it", {"data": "mine"}),
    "data-path-missing": Template("no file or folder {path}", {"path": "mine"}),
    "data-already-prepared": Template(
        "{folder} is prepared data already: name it in a recipe, or after --data, as it is", {"folder": "data/mine"}
    ),
    "root-missing": Template(
        "no folder {folder}; give the folder that holds {dataset} with --root", {"folder": "downloads", "dataset": "mnre"}
    ),
    "no-text-files": Template(
        "no text files of {dataset} under {folder}; expected {expected} in it; name another folder with --root",
        {"dataset": "mnre", "folder": "downloads", "expected": "RE_data/txt/ours_{train,val,test}.txt or mnre/mnre_{train,val,test}.txt"},
    ),
    "dataset-found-twice": Template(
        "{dataset} is there more than once: {folders}; name one of them with --root",
        {"dataset": "twitter2017", "folders": ["twitter2017", "twitter_2017"]},
    ),
    "only-one-image": Template("all examples with an image share one: there is no other that it could be exchanged with"),
    # ----------------------------------------------------------------------------------------------- examples of prepared data
    "example-word-empty": Template(
        "example {id!r}: expected one or more non-empty words, got {words!r}", {"id": "7", "words": ["Ann", ""]}
    ),
    "example-span-outside": Template(
        "example {id!r}: words [{start}, {end}) do not lie in its {length} words", {"id": "7", "start": 0, "end": 4, "length": 3}
    ),
    "example-without-pair": Template("example {id!r}: relation extraction needs a head and a tail", {"id": "7"}),
    "example-tag-count-mismatch": Template("example {id!r}: {found} tags for {expected} words", {"id": "7", "found": 1, "expected": 2}),
    "example-label-unknown": Template(
        "example {id!r}: {label!r} is not one of the dataset's labels ({labels})", {"id": "7", "label": "B-DOG", "labels": ["O", "B-PER"]}
    ),
    # --------------------------------------------------------------------------------------------------------------- demo data
    "demo-task-unknown": Template("--task {task}: expected mner or mre", {"task": "ner"}),
    "demo-fraction-invalid": Template(
        "--{option} {value}: a share lies between 0 and 1, for example 0.3 for three in ten", {"option": "uninformative", "value": 30.0}
    ),
    "demo-seed-negative": Template("--seed {seed}: expected a whole number of at least 0", {"seed": -1}),
    "demo-too-small": Template(
        "--size {size} is too small to hold every {what} in every split; give at least {minimum}",
        {"size": 5, "what": "type", "minimum": 24},
    ),
    "demo-reads-no-files": Template(
        "--root {root}: the demo reads no files, it draws its own; say where to with --output", {"root": "downloads"}
    ),
}
