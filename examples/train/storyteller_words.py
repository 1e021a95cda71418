"""The world of the stories: who lives there, what they own, where they go, what they fear and learn."""

from typing import NamedTuple


class Character(NamedTuple):
    """Somebody in a story, with the words that refer to them."""

    name: str
    noun: str
    intro: str
    he: str
    him: str
    his: str
    hands: str = "hands"

    def __str__(self) -> str:
        return self.name

    @property
    def He(self) -> str:
        return self.he.capitalize()

    @property
    def His(self) -> str:
        return self.his.capitalize()

    @property
    def himself(self) -> str:
        return "himself" if self.he == "he" else "herself"


class Thing(NamedTuple):
    """Something to wish for, with what one does with it (infinitive and past)."""

    color: str
    noun: str
    use: str
    used: str

    def __str__(self) -> str:
        return f"{self.color} {self.noun}"


class Place(NamedTuple):
    name: str
    at: str
    spots: tuple[str, ...]
    animals: tuple[str, ...]
    sights: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


class Weather(NamedTuple):
    name: str
    skies: tuple[str, ...]

    def __str__(self) -> str:
        return self.name


class Task(NamedTuple):
    do: str
    did: str


class Fear(NamedTuple):
    of: str
    because: str
    advice: str
    brave: str


class Skill(NamedTuple):
    do: str
    failed: str
    advice: str
    did: str


class Plant(NamedTuple):
    seed: str
    grown: str
    treat: str


class Trouble(NamedTuple):
    """How somebody is stuck, what it takes to free them, and how it is done."""

    stuck: str
    because: str
    tool: str
    freed: str


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


GIRLS = words("Mia, Lily, Anna, Rose, Ella, Nora, Ruby, Lucy, Clara, Ivy, Emma, Alice, Hazel, Maya, Zoe, Nina, Sara, "
              "Tess, Wren, June, Daisy, Elsa, Greta, Olive, Poppy, Leila, Hana, Amina, Priya, Sofia")
BOYS = words("Tom, Ben, Max, Sam, Leo, Finn, Jack, Oscar, Hugo, Noah, Theo, Adam, Eli, Luke, Otto, Milo, Paul, Peter, "
             "Ravi, Omar, Kai, Felix, Henry, Simon, Jonas, Arlo, Ned, Will, Tariq, Mateo")
ANIMAL_GIRLS = words("Bramble, Willow, Clover, Maple, Dot, Berry, Pebble, Fern, Honey, Minnow, Tansy, Acorn")
ANIMAL_BOYS = words("Pip, Bracken, Rusty, Nib, Moss, Barley, Button, Thistle, Biscuit, Tumble, Chestnut, Whisker")
AGES = words("four, five, six, seven, eight, nine")

PAWED = words("rabbit, fox, bear, mouse, squirrel, cat, puppy, hedgehog, badger, otter, mole, beaver, hamster")
WINGED = words("owl, duck, robin, sparrow, goose, crow")
ANIMAL_LOOKS = words("little, small, young, brown, gray, clever, cheerful, shy, gentle")
LOCAL_LOOKS = words("little, small, young, old, tiny, shy, gentle")
CHILD_LOOKS = words("little, young, small, clever, cheerful, shy, gentle, curious, kind, quiet, brave")
KIN_WOMEN = words("mother, grandmother, aunt, big sister")
KIN_MEN = words("father, grandfather, uncle, big brother")
TRADES = words("baker, carpenter, tailor, farmer, gardener, miller, fisherman, shepherd, beekeeper, blacksmith")
SHOPS = words("toymaker, shopkeeper, carpenter, tailor, potter, weaver, basket maker, clockmaker")

COLORS = words("red, blue, green, yellow, orange, purple, silver, golden, white, pink, brown, striped")
THINGS = [  # noun, to use it, used it
    ("kite", "fly it high above the hills", "flew it high above the hills"),
    ("boat", "sail it across the pond", "sailed it across the pond"),
    ("drum", "play it for all the neighbors", "played it for all the neighbors"),
    ("lantern", "light the dark path with it", "lit the dark path with it"),
    ("ball", "throw it up into the sky", "threw it up into the sky"),
    ("flute", "play sweet songs on it", "played sweet songs on it"),
    ("book", "read it under a shady tree", "read it under a shady tree"),
    ("bell", "ring it every morning", "rang it every morning"),
    ("hat", "wear it in the summer sun", "wore it in the summer sun"),
    ("scarf", "wear it on cold days", "wore it on cold days"),
    ("basket", "fill it with berries", "filled it with berries"),
    ("wagon", "pull it down the lane", "pulled it down the lane"),
    ("paintbrush", "paint pictures of the sea with it", "painted pictures of the sea with it"),
    ("spinning top", "spin it on the kitchen floor", "spun it on the kitchen floor"),
    ("umbrella", "dance under it in the rain", "danced under it in the rain"),
    ("blanket", "sleep under it on winter nights", "slept under it on winter nights"),
    ("whistle", "blow it as loudly as a train", "blew it as loudly as a train"),
    ("puppet", "make it dance and bow", "made it dance and bow"),
    ("music box", "listen to it at bedtime", "listened to it at bedtime"),
    ("marble", "roll it down the garden path", "rolled it down the garden path"),
    ("toy train", "drive it around the table", "drove it around the table"),
    ("sled", "ride it down the snowy hill", "rode it down the snowy hill"),
]

PLACES = [
    Place("the forest", "in the forest", ("under a tall pine tree", "behind a mossy log", "inside a hollow oak"),
          ("fox", "owl", "squirrel", "badger", "bear"), ("the birds sang in the branches", "the leaves whispered")),
    Place("the beach", "on the beach", ("behind a big gray rock", "under a heap of seaweed", "beside an old boat"),
          ("crab", "seal", "seagull", "otter"), ("the waves rolled in and out", "the sand was warm and soft")),
    Place("the meadow", "in the meadow", ("in the long grass", "under a patch of clover", "beside the wooden fence"),
          ("rabbit", "hare", "lamb", "mouse"), ("the flowers nodded their heads", "bees hummed in the clover")),
    Place("the pond", "by the pond", ("among the tall reeds", "under a flat stone", "beside the little bridge"),
          ("frog", "duck", "turtle", "goose"), ("the water was as smooth as glass", "the frogs were croaking")),
    Place("the farm", "on the farm", ("under a pile of hay", "behind the red barn", "beside the water pump"),
          ("hen", "goat", "pony", "pig", "lamb"), ("the rooster was crowing", "the cows were chewing slowly")),
    Place("the garden", "in the garden", ("under a rose bush", "behind the watering can", "among the bean plants"),
          ("hedgehog", "robin", "mole", "snail"), ("butterflies danced over the beds", "the roses smelled sweet")),
    Place("the river", "by the river", ("between two round stones", "under the stone bridge", "among the willow roots"),
          ("otter", "beaver", "duck", "frog"), ("the river sang over the stones", "little fish jumped in the water")),
    Place("the hill", "on the hill", ("behind a big rock", "under a thorn bush", "in a patch of heather"),
          ("goat", "sheep", "hare", "crow"), ("one could see all the way to the sea", "the grass waved in the wind")),
    Place("the park", "in the park", ("under a bench", "behind the fountain", "at the foot of the slide"),
          ("squirrel", "puppy", "duck", "sparrow"), ("children were laughing on the swings", "the fountain splashed")),
    Place("the market", "at the market", ("under a fruit stand", "behind a row of barrels", "beside the flower cart"),
          ("cat", "puppy", "donkey", "mouse"), ("the sellers were calling out", "the air smelled of fresh bread")),
]

WEATHERS = [
    Weather("sunny", ("the sun was shining brightly", "there was not a cloud in the sky")),
    Weather("windy", ("the wind was chasing the leaves", "the trees were bending in the wind")),
    Weather("cloudy", ("gray clouds covered the sky", "the sun was hiding behind the clouds")),
    Weather("warm", ("the air was soft and warm", "the sun had warmed the stones")),
    Weather("foggy", ("a white fog hid the hills", "the fog was as thick as wool")),
    Weather("cool", ("a fresh breeze was blowing", "the dew was still on the grass")),
    Weather("bright", ("the sky was clear and blue", "everything sparkled in the light")),
]

TASKS = [Task(*pair) for pair in (
    ("sweep the floor", "swept the floor"), ("carry the wood", "carried the wood"),
    ("feed the hens", "fed the hens"), ("wash the windows", "washed the windows"),
    ("pick the apples", "picked the apples"), ("water the plants", "watered the plants"),
    ("paint the fence", "painted the fence"), ("stack the boxes", "stacked the boxes"),
    ("clean the shelves", "cleaned the shelves"), ("fold the cloth", "folded the cloth"))]

FOODS = words("a loaf of bread, a basket of berries, a honey cake, a bag of nuts, a bowl of soup, an apple pie, "
              "a jar of jam, a ripe pear, a cheese sandwich, a plate of pancakes, a bag of cherries, a ginger cookie")

FEARS = [Fear(*row) for row in (
    ("the dark", "{h.he} could not see what was hiding in it", "The dark is just the day asleep",
     "walked into the dark room without a candle"),
    ("thunder", "it sounded like giants fighting", "Count slowly, and the thunder will move away",
     "counted to ten while the thunder rolled"),
    ("spiders", "they had so many legs", "A spider is more afraid of you than you are of it",
     "carried a small spider out to the garden"),
    ("loud noises", "they made {h.his} heart jump", "Sing a song, and the noise will seem small",
     "sang a song until the noise seemed small"),
    ("the old well", "strange echoes came out of it", "The echo is only your own voice saying hello",
     "leaned over the well and called out hello"),
    ("the wind", "it howled around the house at night", "The wind is only looking for somebody to play with",
     "ran outside and danced with the wind"),
    ("singing in front of others", "they might laugh at {h.him}", "Sing to one friend, and forget the rest",
     "stood up and sang for everyone"))]
CHILD_FEARS = FEARS + [Fear(*row) for row in (
    ("deep water", "{h.he} could not see the bottom", "Hold my hand and take one small step",
     "stepped into the water up to the knees"),
    ("high places", "looking down made {h.him} dizzy", "Look at the sky and not at the ground",
     "climbed to the very top and looked at the sky"))]
SKILLS = [Skill(*row) for row in (
    ("whistle", "blew and blew, but only air came out", "Make your mouth round and blow softly",
     "whistled a whole song"),
    ("juggle", "dropped all three balls at once", "Start with one ball, then add another",
     "juggled three balls without dropping one"),
    ("skip stones", "threw a stone, but it sank at once", "Choose a flat stone and throw it low",
     "made a stone skip five times"),
    ("bake bread", "burned the bread until it was black", "Watch the oven and do not hurry",
     "baked a loaf that was golden and soft"),
    ("dance", "tripped and fell on the floor", "Listen to the music and let your feet follow",
     "danced around the whole room"),
    ("row a boat", "went around and around in a circle", "Pull both oars at the same time",
     "rowed straight across the water"),
    ("paint a rainbow", "mixed all the colors into mud", "Let each color dry before you use the next one",
     "painted a rainbow with every color"),
    ("tell jokes", "forgot the end of the joke", "Say it slowly and smile at the end",
     "told a joke that made everyone laugh"))]
CHILD_SKILLS = SKILLS + [Skill(*row) for row in (
    ("swim", "swallowed a lot of water and had to stop", "Kick your legs and keep your chin up",
     "swam all the way to the other side"),
    ("climb the big tree", "slipped and slid back down", "Find a good branch before you let go of the last one",
     "sat on the highest branch"))]
PLANTS = [Plant(*row) for row in (
    ("pumpkin seed", "pumpkin", "pumpkin soup"), ("sunflower seed", "sunflower", "crunchy seeds"),
    ("strawberry seed", "strawberry plant", "strawberry jam"), ("apple seed", "apple tree", "apple cake"),
    ("bean", "bean plant", "bean soup"), ("carrot seed", "carrot", "carrot cake"),
    ("pea", "pea plant", "sweet peas"), ("melon seed", "melon", "juicy slices"),
    ("cherry stone", "cherry tree", "cherry pie"), ("tomato seed", "tomato plant", "tomato soup"))]

TROUBLES = [Trouble(*row) for row in (
    ("stuck in the mud", "the ground is wet and deep", "a long rope", "pulled and pulled until the mud let go"),
    ("caught in a thorn bush", "the thorns hold on tight", "a pair of scissors", "cut the thorny branches one by one"),
    ("down in a deep hole", "the sides are too steep to climb", "a wooden ladder", "let the ladder down into the hole"),
    ("tangled in an old net", "the knots are too tight", "a small knife", "cut the net, knot by knot"),
    ("trapped under a fallen branch", "the branch is too heavy", "a strong pole", "lifted the branch with the pole"),
    ("stuck on a high ledge", "it is too far to jump", "a soft blanket", "held the blanket out for a safe jump"))]

BREAKABLES = words("blue vase, painted cup, glass bowl, clay pot, big mirror, teapot, picture frame, garden lamp")
GIFTS = [("necklace", "shells"), ("crown", "daisies"), ("picture", "dry leaves"), ("bracelet", "string and beads"),
         ("card", "pressed flowers"), ("little bird", "wood"), ("garland", "pine cones"), ("cup", "clay")]
GAMES = words("hide and seek, tag, catch, pirates, knights and dragons, shop, treasure hunt, follow the leader")
HOBBIES = words("singing songs, climbing trees, picking flowers, looking at the stars, drawing pictures, jumping in "
                "puddles, telling stories, collecting stones, chasing butterflies, baking cakes, watching the clouds, "
                "helping others, reading books, building towers")
SOUNDS = [("a soft tapping", "tapping on the window"), ("a strange scratching", "scratching at the door"),
          ("a low humming", "humming to itself"), ("a quiet crying", "crying in the cold"),
          ("a funny rustling", "rustling in the leaves"), ("a gentle knocking", "knocking on the wall")]
BABIES = {"badger": "badger cub", "bear": "bear cub", "beaver": "baby beaver", "cat": "kitten", "crow": "baby crow",
          "donkey": "foal", "duck": "duckling", "fox": "fox cub", "goat": "kid", "goose": "gosling",
          "hare": "baby hare", "hedgehog": "baby hedgehog", "hen": "chick", "mole": "baby mole", "mouse": "baby mouse",
          "otter": "baby otter", "owl": "owlet", "pig": "piglet", "pony": "foal", "rabbit": "baby rabbit",
          "robin": "baby robin", "seagull": "baby seagull", "seal": "seal pup", "sheep": "lamb",
          "sparrow": "baby sparrow", "squirrel": "baby squirrel", "turtle": "baby turtle"}
HOUSES = words("small house, cozy cottage, tiny cottage, little white house, stone house, little wooden house")
DENS = words("warm burrow, snug den, hollow tree, little round house")
NESTS = words("cozy nest, hollow tree, nest of soft moss")
