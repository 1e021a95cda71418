"""A story grammar: templates with choices, filled from the state of one story.

`[a|b]` is a choice, `<word>` a choice used in many places, `{slot}` something the story remembers; a sentence that
begins with `?` is told only half of the time, and an empty one begins a new paragraph.
"""

import random
import re

from storyteller_plots import PLOTS
from storyteller_words import (AGES, ANIMAL_BOYS, ANIMAL_GIRLS, ANIMAL_LOOKS, BABIES, BOYS, CHILD_LOOKS, COLORS, DENS,
                               GIRLS, HOBBIES, HOUSES, KIN_MEN, KIN_WOMEN, LOCAL_LOOKS, NESTS, PAWED, PLACES, SHOPS,
                               THINGS, TRADES, WEATHERS, WINGED, Character, Place, Thing)

SHE = ("she", "her", "her")
HE = ("he", "him", "his")
CHILD_HERO_CHANCE = 0.6
OPTIONAL_CHANCE = 0.5
MIN_WORDS, MAX_WORDS = 80, 180

SHARED_CHOICE = re.compile(r"<(\w+)>")
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SENTENCE_START = re.compile(r'((?:[.!?]|\.") )([a-z])')
FIRST_LETTER = re.compile(r'^("?)([a-z])')
ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")

SHARED = {
    "once": "|".join(["Once upon a time"] * 5 + ["Long ago", "A long time ago"]),
    "day": "morning|day|afternoon",
    "oneday": "One {w} <day>|One {w} <day>, when {sky}|One <day>",
    "glad": "happy|glad|so happy|very happy|full of joy",
    "sad": "sad|very sad|unhappy|full of sorrow",
    "proud": "proud|very proud|proud and happy",
    "smiled": "smiled|laughed|nodded|grinned",
    "soon": "Soon|After a while|A little later|Before long",
    "atlast": "At last|Finally|In the end",
    "thanks": "Thank you|Thank you so much|Oh, thank you|Thank you very much",
    "sincethen": "From that day on|After that day|From then on|Ever since that day",
    "learned": "learned that|understood that|now knew that|never forgot that",
    "said": "said|said|said|answered|replied",
    "wanted": "wanted|wished for|dreamed of",
}

BEGINNINGS = [
    ["<once>, there [was|lived|was] {h.intro} [named|called] {h}, who lived {home}.",
     "?{h.He} loved {hobby}."],
    ["<once>, there [was|was|lived] {h.intro} [named|called] {h}.",
     "{h.He} lived {home} and [loved|liked] {hobby}."],
    ["<once>, {home}, there lived {h.intro} [named|called] {h}.", "?{h.He} loved {hobby}."],
    ["<once>, there [was|was|lived] {h.intro} [named|called] {h}.", "?{h} lived {home}."],
    ["{h} was {h.intro} who lived {home}.", "?{h.He} [loved|liked] {hobby}."],
    ["{h} was {h.intro} who loved {hobby}.", "?{h.He} lived {home}."],
    ["There once was {h.intro} named {h}.", "[Every day|All summer], {h.he} was busy {hobby}."],
]

ENDINGS = [
    [], [], ["The end."],
    ["That night, {h} [slept well|fell asleep with a smile|had sweet dreams]."],
    ["And {h} [smiled for a long time|hummed a happy song|went to bed with a happy heart]."],
]


class Story:
    """The people, places and things of one story; templates read its attributes as slots."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.p: Place = rng.choice(PLACES)
        self.spot, self.other_spot = rng.sample(self.p.spots, 2)
        self.sight: str = rng.choice(self.p.sights)
        self.w = rng.choice(WEATHERS)
        self.sky: str = rng.choice(self.w.skies)
        self.t = Thing(rng.choice(COLORS), *rng.choice(THINGS))
        self.hobby: str = rng.choice(HOBBIES)
        self.nouns: set[str] = set()
        self.names: set[str] = set()
        self.h = self.child() if rng.random() < CHILD_HERO_CHANCE else self.beast()
        self.human = self.h.noun in ("girl", "boy")
        homes = HOUSES if self.human else NESTS if self.h.noun in WINGED else DENS
        self.home = f"in a {rng.choice(homes)} near {self.p}"

    def pick(self, options):
        return self.rng.choice(options)

    def fresh(self, options, used: set[str]) -> str:
        """One of the options that this story has not used yet."""
        choice = self.rng.choice([option for option in options if option not in used])
        used.add(choice)
        return choice

    def child(self) -> Character:
        girl = self.rng.random() < 0.5
        noun = "girl" if girl else "boy"
        age = f"{self.pick(AGES)}-year-old " if self.rng.random() < 0.15 else ""
        look = age or f"{self.pick(CHILD_LOOKS)} "
        name = self.fresh(GIRLS if girl else BOYS, self.names)
        return Character(name, noun, f"a {look}{noun}", *(SHE if girl else HE))

    def beast(self) -> Character:
        """An animal with a name."""
        girl = self.rng.random() < 0.5
        noun = self.fresh(PAWED + WINGED, self.nouns)
        name = self.fresh(ANIMAL_GIRLS if girl else ANIMAL_BOYS, self.names)
        return Character(name, noun, f"a {self.pick(ANIMAL_LOOKS)} {noun}", *(SHE if girl else HE),
                         hands="wings" if noun in WINGED else "paws")

    def friend(self) -> Character:
        """Somebody named, of the hero's own world."""
        return self.child() if self.human else self.beast()

    def local(self) -> Character:
        """An animal without a name, at home in the story's place."""
        noun = self.fresh(self.p.animals, self.nouns)
        return Character(f"the {noun}", noun, f"a {self.pick(LOCAL_LOOKS)} {noun}", *self.pick((SHE, HE)))

    def kin(self) -> Character:
        woman = self.rng.random() < 0.5
        noun = self.pick(KIN_WOMEN if woman else KIN_MEN)
        name = f"{self.h.his} {noun}"
        return Character(name, noun, name, *(SHE if woman else HE))

    def trader(self, trades: list[str] = TRADES) -> Character:
        noun = self.pick(trades)
        return Character(f"the {noun}", noun, f"an old {noun}", *(HE if noun.endswith("man") else self.pick((SHE, HE))))

    def shopkeeper(self) -> Character:
        return self.trader(SHOPS)

    def baby(self) -> tuple[str, str]:
        """A young animal and its mother's kind."""
        kind = self.fresh([animal for animal in self.p.animals if animal in BABIES], self.nouns)
        return BABIES[kind], kind

    def another_thing(self) -> Thing:
        thing = Thing(self.pick([c for c in COLORS if c != self.t.color]), *self.pick(THINGS))
        return thing if thing.noun != self.t.noun else self.another_thing()

    def tell(self, template: str) -> str:
        """One template as plain text."""
        text = template
        while "<" in text:
            text = SHARED_CHOICE.sub(lambda m: f"[{SHARED[m[1]]}]", text)
        while "[" in text:
            text = CHOICE.sub(lambda m: self.pick(m[1].split("|")), text)
        text = FIRST_LETTER.sub(lambda m: m[1] + m[2].upper(), text.format(**vars(self)))
        text = SENTENCE_START.sub(lambda m: m[1] + m[2].upper(), text)
        return ARTICLE.sub(r"\1n ", text)


def write_story(rng: random.Random) -> str:
    """A story of two or three short paragraphs."""
    plot = rng.choice(PLOTS)
    while True:
        story = Story(rng)
        templates = [*rng.choice(BEGINNINGS), *plot(story), *rng.choice(ENDINGS)]
        paragraphs: list[list[str]] = [[]]
        for template in templates:
            if not template:
                paragraphs.append([])
            elif not template.startswith("?") or rng.random() < OPTIONAL_CHANCE:
                paragraphs[-1].append(story.tell(template.removeprefix("?")))
        text = "\n".join(" ".join(paragraph) for paragraph in paragraphs)
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            return text


def write_corpus(count: int, seed: int) -> list[str]:
    """`count` different stories, the same for the same seed."""
    rng = random.Random(seed)
    stories: dict[str, None] = {}
    while len(stories) < count:
        stories[write_story(rng)] = None
    return list(stories)
