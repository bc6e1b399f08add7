"""Questions with known answers, and how good cited answers are."""
