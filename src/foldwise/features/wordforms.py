"""From a word to the form that is counted: case, stop words, stemming, through nltk.

It is applied to the vocabulary, never to the stream of words: a million words have some ten
thousand forms, and a stemmer is slow.
"""

from collections.abc import Callable

from foldwise.config.sections import FeaturesConfig


def stop_words(config: FeaturesConfig) -> tuple[frozenset[str], list[str]]:
    """Return the English stop words (or none, by config) and notes on fallbacks taken."""
    if not config.stop_words:
        return frozenset(), []
    try:
        from nltk.corpus import stopwords

        return frozenset(stopwords.words("english")), []
    except LookupError:
        from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

        note = "nltk's stop-word list is not installed: scikit-learn's English list was used"
        return frozenset(ENGLISH_STOP_WORDS), [note]


def stemmer(config: FeaturesConfig) -> tuple[Callable[[str], str], list[str]]:
    """Return the function from a lower-case word to its stem and notes on fallbacks taken."""
    if config.stemming == "none":
        return str, []
    from nltk.stem import PorterStemmer, SnowballStemmer, WordNetLemmatizer

    if config.stemming == "porter":
        return PorterStemmer().stem, []
    if config.stemming == "snowball":
        return SnowballStemmer("english").stem, []
    lemmatizer = WordNetLemmatizer()
    try:
        lemmatizer.lemmatize("words")
    except LookupError:
        note = "nltk's WordNet is not installed: the Snowball stemmer was used instead"
        return SnowballStemmer("english").stem, [note]
    return lambda word: lemmatizer.lemmatize(lemmatizer.lemmatize(word, "v")), []


def word_forms(words: list[str], config: FeaturesConfig) -> tuple[list[str | None], list[str]]:
    """Return the counted form of each distinct word, None for a stop word, and notes.

    Parameters
    ----------
    words : list of str
        Distinct words as they stand in the texts.
    config : FeaturesConfig
        Case, stop words and stemming.
    """
    stops, notes = stop_words(config)
    stem, stem_notes = stemmer(config)
    forms: list[str | None] = []
    for word in words:
        lower = word.lower() if config.lowercase else word
        forms.append(None if lower.lower() in stops else stem(lower))
    return forms, notes + stem_notes
