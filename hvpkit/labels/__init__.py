"""Labels of words and relations: BIO codec, label inventories, gold labels and word tokenizer."""
