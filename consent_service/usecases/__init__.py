"""One function, one command or one question. The transaction is opened here and nowhere below."""
