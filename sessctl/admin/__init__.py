"""Operations on stores. They yield progress and return answers; they never print or ask."""
