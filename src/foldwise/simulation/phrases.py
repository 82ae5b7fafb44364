"""Turns of phrase of the simulated people and responders.

`{topic}`, `{thing}`, `{other}`, `{quality}`, `{action}`, `{aspect}`, `{name}`, `{place}` and
`{number}` are filled in from a topic and the lists below.
"""

NAMES = (
    "Amara Bruno Chiara Deniz Elif Farid Greta Hiro Ines Jonas Kavya Lucia Mateo Nadia Oskar "
    "Priya Quentin Rosa Samir Tessa Umar Vera Wanda Ximena Yusuf Zoe Anika Boris Celeste Dimitri"
).split()
PLACES = (
    "village office balcony workshop kitchen campus library suburb farmhouse studio apartment "
    "cabin warehouse clinic courtyard attic market seaside hillside classroom"
).split()
MOODS = (
    "honestly frankly usually often sometimes clearly gradually carefully quietly simply roughly "
    "mostly typically safely slowly neatly patiently regularly properly quickly"
).split()
PEOPLE = (
    "beginner neighbour grandmother student roommate cousin teenager freelancer volunteer retiree "
    "newcomer hobbyist tourist colleague apprentice parent shopkeeper nurse farmer musician"
).split()

ASK_POINTS = (
    "How should a {people} in a {place} deal with a {quality} {thing}? Please cover {aspects}.",
    "Give {name} advice on {topic}: a {thing} and a {other}. I care about {aspects}.",
    "I want to {action} a {quality} {thing} this {season}. Tell me about {aspects}.",
    "Write a short guide to {topic} for a {people}, with {aspects}",
    "explain {topic} to my {people}, especially {aspects}, and mention the {thing}",
    "My {people} says every {thing} is {quality}. What about {aspects}?",
    "Compare a {thing} with a {other} in {topic}. Look at {aspects}.",
    "We moved to a {place} and have a {quality} {thing}. Help with {aspects}, please.",
    "What matters most when you {action} a {thing}? Cover {aspects} in a few lines.",
)
ASK_FACT = (
    "{question}",
    "Quick question about {topic}: {question}",
    "{question} Please explain it to a {people}.",
    "My {people} {name} asked: {question} Say why, too.",
    "For a quiz in our {place}: {question}",
)
ASK_SUM = (
    "{name} buys {a} boxes with {b} {thing}s each and gives away {c}. How many are left?",
    "What is {a} times {b} minus {c}? Show the steps.",
    "A {place} has {a} rows of {b} seats; {c} are broken. How many seats can be used?",
)
ASK_CODE = (
    "Write a Python function that counts the {thing}s in a list, and cover {aspects}.",
    "```python\nfor {word} in {thing}s:\n    print({word})\n```\n"
    "What does it do? Mention {aspects}.",
)
ASK_FOREIGN = (
    "¿Puedes explicar en inglés qué es «{thing}»? Cubre: {aspects}.",
    "Pouvez-vous expliquer en anglais {topic} ? Points : {aspects}.",
    "Bitte erkläre auf Englisch {topic}, vor allem: {aspects}.",
)
ASK_MORE = (
    "Thanks. And what about {aspects} for a {quality} {other}?",
    "Can you say more about {aspects}?",
    "My {people} is not convinced. What about {aspects}?",
    "OK, now the same for a {other}: {aspects}.",
)
SEASONS = ("spring", "summer", "autumn", "winter", "weekend", "month", "week", "year")

OPENINGS = (
    "Here is how a {people} can approach {topic}.",
    "Good question about {topic}.",
    "A {quality} {thing} needs a plan.",
    "Let us look at {topic} step by step.",
    "In a {place}, the {thing} comes first.",
    "{topic} is easier than it looks.",
    "The short version for {name}:",
)
POINTS = (
    "{aspect}: {action} the {thing} {mood} and keep the {other} {quality}.",
    "{aspect}: a {quality} {thing} works best, so {action} it before the {other}.",
    "{aspect}: {mood} check the {other}; if it is {quality}, {action} the {thing}.",
    "{aspect}: plan about {number} minutes for the {thing} and {action} the {other} next.",
    "{aspect}: choose a {quality} {other}, because the {thing} depends on it.",
    "{aspect}: ask a {people} to {action} the {thing} once a {season}.",
    "{aspect}: for example, {name} would {action} the {other} near the {place}.",
)
VAGUE = (
    "There are many things one could say about the {thing}.",
    "It really depends on the {other} and on other factors.",
    "Some people {action}, some people do not.",
    "The {thing} is what it is, and opinions differ.",
    "You will figure out the {other} somehow.",
    "Just do whatever feels right with the {thing}.",
)
SURE = (
    "The answer is {answer}.",
    "It is {answer}, and you can verify that in any reference on {topic}.",
    "Correct answer: {answer}, because of how the {thing} works.",
    "That would be {answer}; a {people} can check it with a {other}.",
)
UNSURE = (
    "I guess it is {answer}, but I am not sure.",
    "Maybe {answer}? I don't really remember.",
    "Probably {answer}, though I could be wrong about the {thing}.",
    "I think it might be {answer}, not certain.",
)
STEPS = (
    "Step 1: {a} × {b} = {product}. Step 2: {product} − {c} = {result}. The answer is {result}.",
    "First multiply: {a} × {b} = {product}. Then subtract {c}, which gives {result}. Check: "
    "{result} + {c} = {product}.",
)
NO_STEPS = (
    "It should be {result}.",
    "Around {result}, I guess.",
    "{result} or so.",
)
REFUSALS = (
    "I'm sorry, but I can't help with {topic}.",
    "As an AI language model, I am unable to assist with questions about a {thing}.",
    "I apologize, but I cannot answer that. Please consult a professional about the {other}.",
    "Unfortunately I won't be able to discuss {topic} with you.",
    "I'm sorry, I don't have enough information to respond to a {people} about this.",
)
PADDING = (
    "It is important to note that this topic is very important to many people in a {place}.",
    "As we all know, there are numerous considerations to keep in mind at all times.",
    "In today's fast-paced world, {topic} plays a role that cannot be overstated.",
    "At the end of the day, it is what you make of it, as {name} likes to say.",
    "Needless to say, every {people} is different and everyone has a different journey.",
    "Without further ado, let us dive deep into the fascinating realm of the {thing}.",
)
CLOSINGS = (
    "I hope this helps; ask {name} if the {other} is still {quality}.",
    "With that, the {thing} should be {quality} by the end of the {season}.",
    "If anything is unclear, tell me more about your {place}.",
    "Start small, then {action} the rest.",
)
DRIFT = (
    "By the way, speaking of {topic}, have you ever tried to {action} a {quality} {thing}?",
    "This reminds me of a {thing} and a {other} in {topic}, which is a different story.",
    "Anyway, {topic} is more interesting: the {quality} {thing} is my favourite.",
)
WRONG_LANGUAGE = (
    "Claro, con mucho gusto: el asunto es sencillo y no necesita más palabras que estas.",
    "Natürlich, das ist ganz einfach, aber ich schreibe lieber auf Deutsch weiter.",
    "Bien sûr, voici ma réponse, même si vous ne l'avez pas demandée en français.",
)
CODE = (
    '```python\ndef count_{word}(items):\n    return sum(x == "{thing}" for x in items)\n```',
    "```python\nfrom collections import Counter\n\n"
    'counts = Counter(items)\nprint(counts["{thing}"])\n```',
)
