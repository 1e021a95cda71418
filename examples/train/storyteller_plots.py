"""The plots. Each chooses what its story is about and tells it in the templates of the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storyteller_words import (BREAKABLES, CHILD_FEARS, CHILD_SKILLS, FEARS, FOODS, GAMES, GIFTS,
                               PLANTS, SKILLS, SOUNDS, TASKS, TROUBLES)

if TYPE_CHECKING:
    from storyteller_grammar import Story


def earn_a_wish(s: Story) -> list[str]:
    s.g = s.shopkeeper()
    s.task = s.pick(TASKS)
    return [
        "[{h} <wanted> a {t}|More than anything, {h.he} <wanted> a {t}], because {h.he} "
            "[wanted|hoped] to {t.use}.",
        "",
        "<oneday>, {h} saw a {t} in the [window|shop|little shop] of {g.intro}.",
        '["How much is the {t}?"|"What does the {t} cost?"] asked {h}. "[Three|Four|Five|Ten] '
            '[coins|silver coins]," said {g}.',
        "{h} felt <sad>, because {h.he} had no [money|coins] at all.",
        '["I cannot pay, but I can work," said {h}.|"May I work for it?" {h.he} asked.]',
        '{g} <smiled>. "[Then help me|If you help me] {task.do}, [and the {t} is yours|you may '
            'have the {t}]," {g.he} said.',
        "",
        "So {h} {task.did} [all day|until the sun went down|the whole day], [and did not stop "
            "once|even though it was hard work|until {h.his} legs were tired].",
        "<atlast>, {g} [gave {h} the {t}|put the {t} into {h.his} {h.hands}].",
        '?"<thanks>!" said {h}. ["I will take good care of it."|"It is the best {t.noun} in the '
            'world."]',
        "[The next day|<sincethen>], {h} took the {t} and {t.used}. {h.He} felt <proud>.",
        "?{h} loved the {t.noun} even more, because {h.he} had worked for it.",
    ]


def lost_and_found(s: Story) -> list[str]:
    s.a = s.local()
    return [
        "{h} had a {t} [that {h.he} took everywhere|and loved it very much|from {h.his} "
            "grandmother].",
        "",
        "<oneday>, {h} took the {t} to {p} to [play|{t.use}].",
        "?There, {sight}.",
        'But [on the way home|when it was time to go], the {t} was gone! "[Oh no|Oh dear], where '
            'is my {t.noun}?" cried {h}.',
        "{h.He} looked {other_spot}, but it was not there, and {h.he} [began to cry|sat down and "
            "cried|felt <sad>].",
        '{a.intro} [came by|heard {h.him}] and asked, "[Why are you crying|Why are you so '
            'sad|What is the matter]?"',
        '"[I am sad|I am crying] because I lost my {t}," <said> {h}.',
        '"[Do not worry|Don\'t cry|Cheer up], [I will help you|we will find it together|let us '
            'look together]," said {a}.',
        "",
        "[They searched high and low.|They looked here and there.|Together they searched all over "
            "{p}.]",
        "<atlast>, [{a} looked {spot}, and there was the {t}!|{a} found the {t} {spot}.]",
        '"<thanks>!" said {h}, and {h.he} [hugged {a}|gave {a} a big hug|danced for joy].',
        "[{h} and {a} became good friends.|<sincethen>, {h} and {a} were the best of "
            "friends.|<sincethen>, {h} took better care of the {t}.]",
    ]


def lost_baby(s: Story) -> list[str]:
    s.baby_animal, s.mother = s.baby()
    return [
        "",
        "<oneday>, {h} was walking {p.at} when {h.he} heard [a small cry|somebody crying|a sad "
            "little voice].",
        "{spot}, {h.he} found a {baby_animal}, [shaking with fear|all alone|cold and hungry].",
        '"[What is wrong|Why are you crying], little one?" asked {h}.',
        '"I\'m lost," said the {baby_animal}. "I [followed a butterfly|chased a leaf|ran after a '
            'ball|fell asleep], and now I cannot find my mother."',
        '[{h} felt sorry for the {baby_animal}.|{h} had a kind heart.] "[Come with me|Do not be '
            'afraid|Dry your eyes]. We will find her together," {h.he} said.',
        "",
        "?[They looked {other_spot}, but she was not there.|They called and called, but nobody "
            "answered.|First they looked {other_spot}, but nobody was there.]",
        "?The {baby_animal} was tired, so {h} sang a little song.",
        "<soon>, they [saw|met] a big {mother}, who was [calling for her baby|looking everywhere].",
        '"Mother!" cried the {baby_animal}, [and ran to her as fast as the wind|and jumped for '
            "joy].",
        '"<thanks>, {h}," said the {mother}. "[I was so worried|I looked everywhere|I was so '
            'afraid], because my little one was gone."',
        "{h} felt <glad>, because {h.he} had helped somebody small.",
    ]


def fear(s: Story) -> list[str]:
    s.g = s.kin()
    s.fear = s.pick(CHILD_FEARS if s.human else FEARS)
    s.reason = s.fear.because.format(h=s.h)
    s.others = "children" if s.human else "animals"
    return [
        "{h} was [brave|not afraid of much], but there was one thing {h.he} feared: {fear.of}.",
        "{h.He} [was afraid of|did not like] {fear.of} because {reason}.",
        "?The other {others} laughed at {h.him}.",
        "",
        "One [evening|day|night], {g} [saw|noticed] that {h} was [shaking|trembling|very quiet].",
        '"[What is wrong|What is the matter], {h}?" asked {g}.',
        '"I am afraid of {fear.of}," [said {h}|whispered {h}|{h.he} whispered].',
        '{g} [hugged {h.him}|sat down beside {h.him}|came close]. "[I was afraid too when I was '
            'small|That is not so bad]," {g.he} said. "{fear.advice}."',
        "?{h} [thought about it for a long time|thought about these words|took a deep breath].",
        "",
        "The next [day|evening], {h.he} [tried it|wanted to be brave]. {h.His} heart beat fast, "
            "but {h.he} {fear.brave}.",
        "[Nothing bad happened!|And nothing bad happened at all.|It was not so bad after all.]",
        '"I did it!" [cried {h}|shouted {h}|{h.he} called]. {g} was <proud>.',
        "<sincethen>, {h} was not afraid of {fear.of} [anymore|any longer].",
        "?{h} <learned> being brave means trying [even when you are afraid|although your knees "
            "shake].",
    ]


def sharing(s: Story) -> list[str]:
    s.a = s.local()
    s.food = s.pick(FOODS)
    s.meal = s.food.split()[-1] if " of " in s.food else s.food.split(" ", 1)[1]
    return [
        "",
        "<oneday>, {h} [took|carried] {food} to {p}, because {h.he} wanted to eat "
            "[there|outside|in the fresh air].",
        "?There, {sight}.",
        "{spot} sat {a.intro}, who looked [thin and tired|cold and hungry|very sad].",
        '"[Why do you look so sad|What is the matter]?" asked {h}. "[I am hungry because I have '
            'not eaten all day|I am hungry, and I have nothing to eat]," said {a}.',
        "{h} looked at the {meal}. {h.He} was hungry too, [but {h.he} felt sorry for {a}|but "
            "{h.he} had a kind heart].",
        '"[Here|Please], [take half of it|have some of mine|let us share it]," said {h}. They '
            "[sat down together|sat side by side] and ate.",
        '?"<thanks>," said {a}. "[One day I will help you too|I will not forget this]."',
        "",
        "[A week later|Some days later|The next week], {h} [got lost {p.at}|could not find the "
            "way home from {p}], because [it was getting dark|a thick fog had come].",
        '"[Help!|Is anybody there?]" [called|cried] {h}. [Who came running|Who heard {h.him}]? It '
            "was {a}!",
        '"You shared with me, and now I will show you the way," said {a}, and [led|took] {h} '
            "safely home.",
        "[{h} <learned> kindness always comes back.|So a small kindness came back as a big "
            "one.|<sincethen>, they shared everything.]",
    ]


def broken(s: Story) -> list[str]:
    s.g = s.kin()
    s.item = s.pick(BREAKABLES)
    return [
        "",
        "One [rainy|cold|wet] <day>, {h} was playing [catch|with a ball|tag] in the house, "
            "[although {g} had told {h.him} not to|because it was too cold outside].",
        "[Crash!|Bang!|Oh no!] {h.He} bumped into the table, and {g}'s {item} fell down and broke.",
        "?{h} was [scared|afraid], because {g} [loved|liked] the {item} very much.",
        "So {h.he} hid the pieces [under the bed|behind the door|in a box] and [said nothing|told "
            "nobody].",
        "",
        '[In the evening|At dinner|Later], {g} asked, "[Has anybody seen|Where is] my {item}?"',
        "?{h} felt [a lump in {h.his} throat|sick inside|very bad]. {h.He} could not "
            "[eat|smile|look up] at all.",
        '<atlast>, {h} told the truth. "I broke it, and I hid the pieces because I was afraid. '
            'I\'m [so|very] sorry."',
        '{g} was quiet for a moment. Then {g.he} [smiled|hugged {h.him}]. "[I am sad about the '
            '{item}|It was only a thing], but I am glad that you told me the truth," {g.he} said.',
        "Together they [glued the pieces|put the pieces together again|mended the {item}], and "
            "{h} felt [much better|light again|<glad>].",
        "[{h} <learned> the truth makes the heart light.|<sincethen>, {h} always told the "
            "truth.|{h} <learned> it is better to tell the truth.]",
    ]


def storm(s: Story) -> list[str]:
    s.f = s.friend()
    s.part = s.pick(("roof", "door", "window", "chimney"))
    return [
        "{h.His} best friend was {f.intro} named {f}.",
        "",
        "One night, a [great|terrible|wild] storm came. The wind [howled|roared], and the rain "
            "[beat on the roof|fell all night].",
        "In the morning, {h} [went|ran] to see {f}. The {part} of {f}'s house was [broken|gone]!",
        '"[What shall I do|Where shall I sleep]?" cried {f}. "The storm [broke|took] my {part}, '
            'and now [the rain comes in|my house is cold|everything is wet]."',
        '"[Don\'t worry|Don\'t be sad|Cheer up]," said {h}. "[You can stay with me|Come and stay '
            'with me], and tomorrow we will [build a new {part}|make a new {part}]."',
        "",
        "The next day, {h} [found|brought] [some wood|some boards|a hammer and nails], and {f} "
            "[brought|carried] [the tools|the ladder|some rope].",
        "?The neighbors came to help too, because they liked {f}.",
        "They worked [side by side|from morning until evening|and sang songs], and [soon|before "
            "long] the new {part} was ready.",
        "?It was even stronger than the old one.",
        '"<thanks>, {h}! [You are a true friend|What would I do without you|I could not have done '
            'it alone]," said {f}.',
        "?They [drank hot tea|ate warm soup|sat by the fire] and [laughed about the "
            "storm|listened to the quiet evening].",
        "[{h} <learned> friends help each other.|When friends work together, no storm is too "
            "strong.|A friend in need is a friend for life, they said.]",
    ]


def race(s: Story) -> list[str]:
    s.f = s.friend()
    s.a = s.local()
    s.prize = s.another_thing()
    return [
        "{h} was [a fast runner|very fast|faster than most], and so was {f}, {f.intro} from next "
            "door.",
        "",
        "<oneday>, there was a [big|great] race to {p}, and the prize was a {prize}.",
        '?"[I will win|I am going to win], because I have practiced [every day|all week]," said '
            '{f}. "[We will see|Let the best one win|Good luck to both of us]," <said> {h}.',
        "[Ready, steady, go!|One, two, three, go!] They ran [like the wind|as fast as they "
            "could], and [soon|at first] {h} was in front.",
        'But {spot}, {h.he} [saw|found] {a.intro} who was hurt. "[Please help me|Help, I cannot '
            'get home]," said {a}.',
        "{h} [looked at the road|thought of the prize], but {h.he} stopped, because [helping was "
            "more important|{a} needed help].",
        "",
        "{h} took {a} home, [slowly|step by step], and {f} won the race.",
        "When {f} heard [why {h} was late|what had happened], {f.he} [felt ashamed|was quiet]. "
            '"[You are the real winner|You did the right thing]," said {f}, and gave {h} the '
            "{prize}.",
        '"Let us share it," said {h}. [So they took turns, and everyone was <glad>.|So they '
            "{prize.used} together.]",
        "?And {a} cheered for them both.",
        "[{h} <learned> being kind is better than being first.|Everyone agreed that a kind heart "
            "wins the best prize.]",
    ]


def learning(s: Story) -> list[str]:
    s.g = s.pick((s.kin, s.trader))()
    s.skill = s.pick(CHILD_SKILLS if s.human else SKILLS)
    return [
        "[More than anything, {h.he} wanted|{h} wanted] to learn to {skill.do}, because [everyone "
            "else could do it|it looked like so much fun|{h.his} friends could do it].",
        "",
        "<oneday>, {h} tried it for the first time. {h.He} {skill.failed}.",
        '"[I will never learn it|It\'s too hard|I can\'t do it]!" [cried {h}|said {h}], and '
            "{h.he} [kicked a stone|sat down and cried|felt <sad>].",
        '{g.intro} was watching and said, "[Nobody can do it the first time|Everybody fails at '
            'first|I could not do it at first either]. {skill.advice}."',
        '?"[Do you think I can do it|Will you show me]?" asked {h}. "[Of course|Yes, of course]," '
            '<said> {g}. "[Just try again|You only need to practice]."',
        "",
        "So {h} practiced [every day|every morning|day after day]. [Sometimes it went well, and "
            "sometimes it did not.|Some days were hard, but {h.he} did not give up.|It was hard, "
            "but each day it went a little better.]",
        "<atlast>, one [fine|bright|happy] <day>, {h.he} {skill.did}!",
        '"[Look|Look at me], I can do it!" [shouted|called|cried] {h}. {g} '
            "[clapped|cheered|smiled] and was <proud>.",
        '?"<thanks> for your help," said {h}.',
        "[{h} <learned> you must try again and again.|<sincethen>, {h} never gave up when "
            "something was hard.|And {h} <learned> practice makes hard things easy.]",
    ]


def rescue(s: Story) -> list[str]:
    s.a = s.local()
    s.g = s.trader()
    s.trouble = s.pick(TROUBLES)
    return [
        "",
        "<oneday>, {h} [went for a walk|was playing] {p.at}, where {sight}.",
        '[Suddenly|All at once], {h.he} heard a [cry|shout]. "[Help|Please help me]!" It was '
            "{a.intro}, {trouble.stuck}.",
        '"I cannot get out because {trouble.because}," said {a}.',
        '{h} tried to help with all {h.his} strength, but {h.he} was too small. "[Wait here|Do '
            'not be afraid], I will be back soon," said {h}.',
        "",
        '{h} ran [to {g.intro}|to the house of {g.intro}]. "[Please|Quick], may I borrow '
            '{trouble.tool}? [Somebody needs help|{a} is {trouble.stuck}]!"',
        '"[Of course|Yes, take it]," said {g}, "and I will come with you."',
        "[Together|Side by side], {h} and {g} {trouble.freed}. <atlast>, {a} was free!",
        '"<thanks>, {h}," said {a}. "[You saved me|You are very brave|I will never forget it]."',
        "?{g} gave them both [warm milk|a sweet bun|an apple].",
        "[{h} was <proud>, because {h.he} had not given up.|<sincethen>, {a} and {h} played "
            "together every day.|{h} <learned> it is wise to ask for help.]",
    ]


def new_friend(s: Story) -> list[str]:
    s.f = s.friend()
    s.game, s.other_game = s.rng.sample(GAMES, 2)
    return [
        "{h} was lonely, because [{h.he} was new there|{h.his} best friend had moved away|nobody "
            "lived nearby].",
        "?Every day, {h.he} wished for [a friend|somebody to play with].",
        "",
        "<oneday>, {h} went to {p}. [There, {sight}, but {h} was still <sad>.|There {h.he} sat, "
            "all alone.]",
        "[Then|Suddenly], {h.he} saw {f.intro} {spot}, [playing with a {t}|holding a {t}].",
        '{h} was shy, [but {h.he} took a deep breath|but {h.he} was brave]. "Hello, my name is '
            '{h}. [What is your name|Who are you]?"',
        '"I am {f}," <said> the {f.noun}. "[Would you like|Do you want] to play {game}?" "[Yes, '
            'please|Oh yes|I would love to]!" said {h}.',
        "",
        "They played {game} [all afternoon|until they were tired], and then they played "
            "{other_game}.",
        "?{f} even let {h} hold the {t}, [because friends share|and that made {h} <glad>].",
        'When the sun went down, {f} asked, "Will you come [back|again] tomorrow?" "[Yes|Of '
            'course|I promise]," said {h}.',
        "[<sincethen>, {h} was never lonely again.|<sincethen>, {h} and {f} met {p.at} every "
            "day.|{h} <learned> a friend may be just one hello away.]",
    ]


def gift(s: Story) -> list[str]:
    s.g = s.kin()
    s.made, s.material = s.pick(GIFTS)
    s.f = s.friend()
    return [
        "[It was nearly {g}'s birthday|{g}'s birthday was coming], and {h} wanted to give {g.him} "
            "something special.",
        "?But {h.he} had no money, [so {h.he} could not buy anything|because {h.he} was still "
            "small].",
        "",
        '<oneday>, {h} [asked {f}, {f.intro}|met {f}, {f.intro}]. "[What shall I do|What can I '
            'give]?" {h.he} asked.',
        '"The best gifts are made [with love|by hand]," said {f}. "[Why not make a {made} out of '
            "{material}?|You could make a {made} out of {material}.|Let us make a {made} out of "
            '{material}.]"',
        '"[What a good idea|That is a wonderful idea]!" said {h}. They went to {p} and '
            "[gathered|collected] {material} until the bag was full.",
        "[All evening|All afternoon], {h} worked on the {made}. [Twice it broke, but {h.he} began "
            "again.|It was not easy, but {h.he} did not give up.|{h.He} hummed a song and smiled.]",
        "",
        'On {g}\'s birthday, {h} gave {g.him} the {made}. "[Happy birthday|This is for you]! I '
            'made it myself," {h.he} said.',
        '{g} had tears in {g.his} eyes. "It is the [most beautiful|loveliest|best] {made} I have '
            'ever [seen|had], because you made it," {g.he} said.',
        "{h} [felt warm inside|was <glad>]. [<sincethen>, the {made} stood on the shelf for all "
            "to see.|{g} kept the {made} forever.|{h} <learned> love is the best gift.]",
    ]


def seed(s: Story) -> list[str]:
    s.g = s.pick((s.kin, s.trader))()
    s.plant = s.pick(PLANTS)
    return [
        "",
        '<oneday>, {g} gave {h} a {plant.seed}. "[Plant it|Put it in the ground] and [be '
            'patient|take care of it]," said {g}.',
        "{h} [dug a small hole|made a little hole in the earth] and planted the {plant.seed} "
            "[behind the house|beside the door|in a sunny spot].",
        "Every [day|morning], {h.he} gave it water, but nothing [happened|came up].",
        '"[Why does it not grow|When will it grow]?" asked {h}. "[Wait a little longer|Good '
            'things take time]," <said> {g}, "because [roots must grow first|a seed needs time to '
            'wake up]."',
        "?So {h} waited, [and sang to the earth|and pulled out the weeds|in sun and in rain].",
        "",
        "<atlast>, [a tiny green leaf|something small and green] came out of the ground! [{h} "
            "jumped for joy.|{h} was <glad>.]",
        "It grew and grew, and by [autumn|the end of summer] it was the [biggest|finest] "
            "{plant.grown} near {p}.",
        "[{h} called all {h.his} friends|{h} asked everyone to come], and they [shared|enjoyed] "
            "the {plant.treat} together.",
        '?"[It tastes wonderful|It is delicious]," said {g}, "[and all of it came from one small '
            'seed|because you did not give up]."',
        "[{h} <learned> good things come to those who wait.|{h} saved [one seed|a seed] for the "
            "next spring.|And {h} <learned> patience is worth it.]",
    ]


def night_sound(s: Story) -> list[str]:
    s.a = s.local()
    s.g = s.kin()
    s.phantom = s.pick(("ghost", "monster", "giant"))
    s.sound, s.doing = s.pick(SOUNDS)
    return [
        "",
        "One [dark|cold|quiet] night, {h} [woke up|could not sleep], because {h.he} heard {sound}.",
        '"[What is that|Who is there]?" whispered {h}. [Nobody answered.|But nobody answered.] '
            "Was it a {phantom}?",
        '{h} [ran to|woke] {g}. "[There is a {phantom} outside|I heard something outside]!" '
            "{h.he} said.",
        '"[Let us look together|Let us go and see]," said {g}, and {g.he} [took a candle|lit the '
            "lamp].",
        "[Slowly|Very slowly|Step by step], they opened the door. There was no {phantom} at all. "
            "It was only {a.intro}, {doing}!",
        "",
        '"I\'m sorry," said {a}. "I [came here|knocked] because I was [so cold|lost in the '
            'night|all alone]."',
        '[{h} laughed.|{h} had to laugh.|{h} was not afraid anymore.] "Come in and [warm yourself '
            'by the fire|have some warm milk|sleep beside the stove]," {h.he} said.',
        "?{g} brought a soft blanket.",
        "{a} [slept there all night|stayed until morning] and [said thank you|went home happy] "
            "when the sun came up.",
        "[{h} <learned> things seem bigger in the dark.|<sincethen>, {h} looked first before "
            "{h.he} was afraid.|<sincethen>, {a} came to visit every week.]",
    ]


def trade(s: Story) -> list[str]:
    s.f = s.friend()
    s.other = s.another_thing()
    return [
        "{h} had a {t}, but {h.he} <wanted> a {other}, because {h.he} wanted to {other.use}.",
        "",
        "<oneday>, {h} met {f}, {f.intro}, {p.at}. {f} had a {other} but looked <sad>.",
        '"[Why are you sad|What is wrong], {f}?" asked {h}. "[I do not need|I am tired of] this '
            '{other.noun}," <said> {f}. "I would rather have a {t.noun}, because I want to '
            '{t.use}."',
        '"[What luck|How funny]!" [laughed|cried] {h}. "I have a {t}, and I wish I had a {other}. '
            '[Shall we trade?|Let us trade!]"',
        '?{f} <smiled>. "[Yes, let us trade|What a good idea]!"',
        "So {h} gave {f} the {t}, and {f} gave {h} the {other}.",
        "",
        "{h} took the {other} and {other.used}. {f} took the {t} and {t.used}. Both were <glad>.",
        '?[A week later|Some days later], {h} missed the {t} a little. "You may [borrow it|use '
            'it] whenever you like," said {f}, "because we are friends."',
        "[So they shared both the {t.noun} and the {other.noun}.|<sincethen>, they played with "
            "both, side by side.]",
        "?{h} <learned> sharing makes two things out of one.",
    ]


def selfish(s: Story) -> list[str]:
    s.f = s.friend()
    s.g = s.kin()
    return [
        "{h} had a beautiful {t}, but {h.he} never let anybody touch it.",
        "",
        '<oneday>, {f}, {f.intro}, [came by|came to play]. "May I [try|hold] your {t.noun}? I '
            'would love to {t.use}," said {f}.',
        '"No! It is mine, [and only mine|and you might break it]," said {h}. {f} felt <sad> and '
            "went away.",
        "{h} took the {t} and {t.used}, all alone. [But it was not much fun|But soon it was "
            "boring], because nobody was there to [laugh with {h.him}|play with {h.him}].",
        '"Why is it so quiet here?" asked {g}. "{f} went away because I did not share," said {h} '
            "in a small voice.",
        '?"[A toy is lonely without friends|Joy grows when you share it]," said {g}. "[It is not '
            'too late|You can still say sorry]."',
        "",
        'So {h} [ran|hurried] to {p}, where {f} was sitting {spot}. "I\'m sorry that I was '
            '[selfish|unkind]. Please come and play," said {h}.',
        '{f} <smiled>. "[I am not angry anymore|I forgive you]." They took turns with the {t}, '
            "and [they laughed until evening|it was twice as much fun].",
        "[<sincethen>, {h} always shared.|{h} <learned> sharing is more fun than having.]",
    ]


def new_things(s: Story) -> list[str]:
    s.a = s.local()
    s.g = s.kin()
    return [
        "{h} [wondered|always wondered] what lay beyond {p}.",
        '?"[Do not go too far|Be home before dark]," said {g}. "[I will be careful|I promise]," '
            "<said> {h}.",
        "",
        "<oneday>, {h} packed [some bread and cheese|an apple and a bun|a small bag] and set out.",
        "{h.He} walked and walked, [past old stone walls|over a little bridge|along a winding "
            "path], until {h.he} did not know the way anymore.",
        '"Which way is home?" [said|asked|wondered] {h}, and {h.he} [felt very small|looked '
            "around].",
        '{spot} sat {a.intro}. "[I know every path here|I can help you]," said {a}, "[but first, '
            'come and see|but first, I will show you] something."',
        "Not far away, {h} saw [a waterfall with a rainbow|a lake full of stars|a field of a "
            "thousand flowers|a tower made of white stone]. It was so beautiful that {h.he} could "
            "not [speak|move].",
        "",
        "Then {a} [led|brought] {h} back to the path, just before dark.",
        '{g} was waiting at the door. "[Where have you been|What did you see]?" {g.he} asked, and '
            "{h} told {g.him} everything.",
        '?"Next time, [take me with you|we will go together]," said {g}.',
        "[{h} <learned> the world is full of wonders.|And {h} never forgot the kindness of "
            "{a}.|{h} thanked {a} in {h.his} heart.]",
    ]


PLOTS = [earn_a_wish, lost_and_found, lost_baby, fear, sharing, broken, storm, race, learning, rescue, new_friend, gift,
         seed, night_sound, trade, selfish, new_things]
