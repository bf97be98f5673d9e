"""Labels of words and relations: BIO codec, inventories, gold labels, word tokenizer."""
