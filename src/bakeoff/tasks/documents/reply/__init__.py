"""From passages to statements that are verified and cited, or to an abstention."""
