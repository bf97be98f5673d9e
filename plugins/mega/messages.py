"""Messages of this plugin."""

from __future__ import annotations

from hvpkit.messages import Template, add_templates

add_templates(
    {
        "mega-without-vision": Template("Fusion 'mega' needs images. Add a vision section."),
        "mega-pipeline-unavailable": Template(
            "Fusion 'mega': the spaCy pipeline {pipeline!r} cannot be used: {reason}. Install spaCy and "
            "the pipeline (python -m spacy download {pipeline}), or set fusion.dependencies to chain.",
            {"pipeline": "en_core_web_sm", "reason": "it is not installed"},
        ),
        "mega-pipeline-needed": Template(
            "This model was trained with dependency arcs of the spaCy pipeline {pipeline!r} {version}, which cannot be "
            "used: {reason}. Install spaCy and the pipeline (python -m spacy download {pipeline}).",
            {"pipeline": "en_core_web_sm", "version": "3.8.0", "reason": "it is not installed"},
        ),
        "mega-pipeline-version": Template(
            "This model was trained with dependency arcs of the spaCy pipeline {pipeline!r} {expected}, but version "
            "{found} is installed. Other arcs change its predictions.",
            {"pipeline": "en_core_web_sm", "expected": "3.8.0", "found": "3.7.1"},
        ),
        "mega-pipeline-not-a-name": Template("it is not the name of an installed package"),
        "mega-pipeline-not-installed": Template("it is not installed"),
        "mega-spacy-not-installed": Template("spaCy is not installed"),
        "mega-pipeline-without-parser": Template("it has no parser"),
        "mega-arcs-unreadable": Template(
            "{file} does not say where the arcs between words come from ({reason}). Download the model again.",
            {"file": "model/fusion/arcs.json", "reason": "Expecting value: line 1 column 1 (char 0)"},
        ),
        "mega-arcs-chain": Template(
            "Words were linked to their neighbors and head to tail, instead of by a dependency parser."
        ),
        "mega-arcs-pipeline": Template(
            "Dependency arcs between words are those of the spaCy pipeline {pipeline} {version}.",
            {"pipeline": "en_core_web_sm", "version": "3.8.0"},
        ),
    }
)
