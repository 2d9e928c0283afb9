"""One module at a time: codecs, rules, values. No server, no disk."""
