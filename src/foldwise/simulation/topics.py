"""What the simulated conversations are about: words, aspects and facts of each topic.

Each fact is a question, its right answer and wrong ones; the right ones are true.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """A subject people ask about.

    Attributes
    ----------
    name : str
        What it is called in a prompt.
    things, qualities, actions, aspects : tuple of str
        Nouns, adjectives, verbs in base form, and what a good answer should cover.
    facts : tuple of (question, right answer, wrong answer, wrong answer)
    """

    name: str
    things: tuple[str, ...]
    qualities: tuple[str, ...]
    actions: tuple[str, ...]
    aspects: tuple[str, ...]
    facts: tuple[tuple[str, str, str, str], ...]


def _topic(name: str, things: str, qualities: str, actions: str, aspects: str, facts: str) -> Topic:
    rows = [tuple(part.strip() for part in line.split("|")) for line in facts.split(";")]
    split = (tuple(words.split()) for words in (things, qualities, actions, aspects))
    return Topic(name, *split, tuple(rows))


TOPICS = (
    _topic(
        "vegetable gardening",
        "tomato seedling compost trellis mulch beetroot carrot lettuce soil greenhouse aphid "
        "watering-can spinach cucumber radish hoe pumpkin manure sprout wheelbarrow",
        "sunny shady fertile sandy moist frosty sheltered organic leafy ripe",
        "plant prune water harvest weed transplant fertilise thin sow stake",
        "spacing watering sunlight pests harvesting drainage",
        "Which vitamin are carrots best known for?|vitamin A|vitamin K|vitamin B12;"
        "Is a tomato botanically a fruit?|yes, a berry|no, a root|no, a leaf;"
        "Which nutrient makes leaves grow?|nitrogen|helium|sodium",
    ),
    _topic(
        "home cooking",
        "saucepan onion garlic broth skillet spatula butter flour oven noodle pepper basil "
        "casserole lentil vinegar dumpling marinade whisk ladle crust",
        "crisp tender salty creamy spicy roasted simmering fragrant golden buttery",
        "simmer chop knead roast season whisk fry marinate taste bake",
        "ingredients timing seasoning equipment storage texture",
        "At what temperature does water boil at sea level?|100 °C|80 °C|130 °C;"
        "What makes bread rise?|yeast|salt|starch;"
        "Which grain is risotto made of?|rice|barley|oats",
    ),
    _topic(
        "personal budgeting",
        "salary mortgage invoice savings pension receipt loan interest account spreadsheet "
        "rent insurance deposit dividend bill wallet debt subscription refund allowance",
        "monthly fixed variable frugal affordable taxable overdue reliable cautious thrifty",
        "save spend invest borrow repay track allocate negotiate withdraw budget",
        "income expenses savings emergencies debts goals",
        "What is 20 % of 450?|90|45|110;"
        "What does APR stand for?|annual percentage rate|average price ratio|asset profit return;"
        "What is compound interest paid on?|principal and earlier interest|only the fee|only tax",
    ),
    _topic(
        "astronomy",
        "telescope galaxy comet orbit nebula planet crater eclipse asteroid supernova moon "
        "constellation spectrum satellite meteor observatory pulsar lens horizon dust",
        "distant faint luminous massive icy gaseous rocky spiral stellar dark",
        "observe orbit collapse rotate glow measure photograph expand reflect drift",
        "distance brightness motion composition history instruments",
        "Which planet is the largest in the solar system?|Jupiter|Mars|Venus;"
        "How long does sunlight take to reach Earth?|about eight minutes|about two days|one second;"
        "Which planet is known for its bright rings?|Saturn|Mercury|Earth",
    ),
    _topic(
        "world geography",
        "river capital continent mountain border desert island peninsula harbour valley delta "
        "plateau province coastline strait glacier lagoon volcano savanna archipelago",
        "northern southern coastal remote tropical landlocked fertile arid populous alpine",
        "flow border stretch rise cross export settle map explore navigate",
        "location climate population economy neighbours landscape",
        "What is the capital of Australia?|Canberra|Sydney|Perth;"
        "Which is the longest river of South America?|the Amazon|the Orinoco|the Tiber;"
        "What is the capital of Canada?|Ottawa|Toronto|Vancouver;"
        "On which continent is Kenya?|Africa|Asia|Europe",
    ),
    _topic(
        "ancient history",
        "empire pharaoh temple senator legion pyramid scroll treaty dynasty bronze chariot "
        "philosopher siege aqueduct coin tomb merchant alphabet colony throne",
        "ancient imperial sacred nomadic wealthy rebellious classical fortified rival early",
        "conquer rule trade build rebel worship inherit excavate decline govern",
        "causes leaders dates consequences sources daily-life",
        "Which city was buried by Vesuvius in the year 79?|Pompeii|Athens|Carthage;"
        "Who were buried in the pyramids of Giza?|pharaohs|Roman consuls|Vikings;"
        "On which river did ancient Egypt depend?|the Nile|the Danube|the Rhine",
    ),
    _topic(
        "Python programming",
        "function loop dictionary variable exception module list string tuple iterator class "
        "decorator argument index compiler debugger generator syntax library package",
        "recursive mutable nested readable asynchronous generic efficient empty sorted typed",
        "import iterate return append parse refactor debug raise slice cache",
        "syntax readability errors performance testing examples",
        "What does len([1, 2, 3]) return?|3|2|an error;"
        "Which keyword defines a function?|def|func|lambda-only;"
        "What is the index of the first item of a list?|0|1|-2;"
        "Is a tuple mutable?|no|yes, always|only when it is sorted",
    ),
    _topic(
        "SQL databases",
        "table query index join row column schema transaction view trigger cursor replica "
        "constraint backup partition key database subquery aggregate lock",
        "relational indexed nullable distinct concurrent normalised duplicate temporary atomic",
        "select join group insert update filter aggregate commit migrate optimise",
        "keys indexes joins performance backups permissions",
        "Which clause filters groups after aggregation?|HAVING|FROM|LIMIT;"
        "Which command removes all rows but keeps the table?|TRUNCATE|DROP|GRANT;"
        "What does NULL stand for?|an unknown value|the number zero|a space",
    ),
    _topic(
        "first aid",
        "bandage burn fever bruise splint ambulance wound allergy pulse sprain dressing "
        "thermometer gloves blister shock airway ointment bleeding poison tweezers",
        "sterile swollen shallow severe conscious feverish calm infected mild urgent",
        "press cool elevate bandage clean monitor call rest breathe reassure",
        "symptoms urgency steps supplies warnings prevention",
        "For how long should a minor burn be cooled?|about 20 minutes|two seconds|six hours;"
        "What is a normal adult body temperature?|about 37 °C|about 30 °C|about 42 °C;"
        "What is the first thing to check at an accident?|that the scene is safe|the time|the bill",
    ),
    _topic(
        "physical exercise",
        "squat treadmill dumbbell stretch plank jogger muscle tendon warm-up stamina posture "
        "kettlebell marathon pushup cadence recovery sprint interval mat trainer",
        "aerobic steady sore strenuous flexible gentle balanced weekly explosive upright",
        "lift stretch jog breathe recover balance train cycle swim rest",
        "frequency intensity technique recovery injuries motivation",
        "Which muscle pumps blood?|the heart|the biceps|the calf;"
        "How many minutes of moderate activity a week are advised for adults?|150|10|900;"
        "Which gas do muscles take from the blood?|oxygen|argon|neon",
    ),
    _topic(
        "chemistry at school",
        "atom molecule acid beaker electron catalyst solution crystal isotope burner bond "
        "reaction pipette indicator salt metal polymer oxide flask titration",
        "acidic alkaline volatile soluble inert dense reactive metallic diluted radioactive",
        "dissolve oxidise heat titrate mix distil neutralise react precipitate filter",
        "safety reagents equations observations yield disposal",
        "What is the chemical symbol of gold?|Au|Go|Gd;"
        "What is the pH of pure water?|7|2|12;"
        "How many protons has carbon?|6|9|14",
    ),
    _topic(
        "physics puzzles",
        "lever magnet gravity friction pendulum circuit prism velocity momentum pulley spring "
        "voltage battery wave photon torque vacuum resistor piston thermometer",
        "elastic kinetic constant vertical electric thermal magnetic frictionless heavy parallel",
        "accelerate fall bounce oscillate conduct reflect push rotate collide measure",
        "forces energy units assumptions formula result",
        "What is the unit of force?|the newton|the volt|the litre;"
        "About how fast does light travel?|300,000 km per second|340 m per second|90 km per hour;"
        "What is the acceleration of gravity on Earth?|about 9.8 m/s²|about 2 m/s²|about 50 m/s²",
    ),
    _topic(
        "biology",
        "cell enzyme leaf gene predator bacterium membrane fungus organ pollen habitat virus "
        "chromosome larva root feather protein ecosystem fossil mammal",
        "aquatic nocturnal genetic photosynthetic parasitic microscopic warm-blooded migratory "
        "extinct cellular",
        "evolve digest divide migrate pollinate mutate hunt breathe reproduce adapt",
        "structure function habitat evolution diet examples",
        "Which part of a cell holds its DNA?|the nucleus|the wall|the sap;"
        "How many legs has a spider?|eight|six|ten;"
        "Which gas do plants take up for photosynthesis?|carbon dioxide|methane|chlorine",
    ),
    _topic(
        "travel planning",
        "passport suitcase itinerary hostel airport ferry souvenir museum ticket visa train "
        "backpack landmark guidebook luggage embassy beach timetable currency terminal",
        "scenic crowded cheap guided delayed direct historic overnight seasonal walkable",
        "book pack explore cancel arrive transfer visit upgrade wander photograph",
        "transport lodging costs season safety documents",
        "Which currency is used in Japan?|the yen|the peso|the krona;"
        "Which country has the city of Marrakesh?|Morocco|Chile|Finland;"
        "In which city is the Colosseum?|Rome|Lisbon|Oslo",
    ),
    _topic(
        "letters and e-mails",
        "greeting signature landlord colleague attachment complaint deadline recipient apology "
        "subject paragraph envelope reference postcode proposal reminder draft manager reply",
        "polite formal brief courteous friendly sincere prompt professional urgent grateful",
        "thank apologise request confirm attach propose remind decline forward clarify",
        "greeting purpose tone deadline closing attachments",
        "How do you close a formal letter to a named person?|Yours sincerely|Ciao ciao|See ya;"
        "Where does the subject of an e-mail stand?|in the subject line|in the footer|in the CC;"
        "What does CC mean?|carbon copy|code check|cold call",
    ),
    _topic(
        "poetry",
        "sonnet stanza rhyme metaphor ballad haiku verse refrain rhythm image syllable couplet "
        "elegy ode line-break alliteration muse meadow lantern twilight",
        "lyrical melancholy vivid whimsical tender rhythmic silver wistful solemn playful",
        "rhyme recite evoke whisper compose scan mourn praise echo revise",
        "imagery rhythm rhyme mood theme ending",
        "How many lines has a sonnet?|14|9|20;"
        "How many syllables has a classic haiku in English?|17|30|8;"
        "What is a verse pair that rhymes called?|a couplet|a prologue|a chapter",
    ),
    _topic(
        "music lessons",
        "chord melody guitar rhythm violin tempo octave drummer scale piano clarinet tuning "
        "bassline choir concerto keyboard harmony fret metronome trumpet",
        "melodic minor major syncopated acoustic slow rhythmic sharp flat tuneful",
        "strum practise tune improvise sing compose bow accompany transpose rehearse",
        "technique rhythm practice instruments theory repertoire",
        "How many strings has a standard guitar?|six|nine|three;"
        "How many keys has a full piano?|88|52|120;"
        "Which note lies a whole tone above C?|D|F|B flat",
    ),
    _topic(
        "car repair",
        "engine brake tyre clutch radiator dipstick spark-plug alternator headlight gearbox "
        "exhaust coolant wrench jack fuse windscreen piston belt bumper mechanic",
        "worn rusty overheated leaking noisy loose hydraulic electric flat unroadworthy",
        "tighten replace inspect drain jack tow refill bleed steer idle",
        "tools safety diagnosis parts costs interval",
        "Which part charges the battery of a running car?|the alternator|the clutch|the horn;"
        "What does the dipstick measure?|the oil level|the speed|the tyre pressure;"
        "What does a radiator cool?|the engine|the boot|the wheel nuts",
    ),
    _topic(
        "pets",
        "kitten puppy aquarium leash hamster vet collar parrot litter vaccine whisker kennel "
        "tortoise treat flea goldfish grooming crate paw rabbit",
        "playful anxious furry obedient elderly shy vaccinated hungry curious stray",
        "feed groom train adopt vaccinate pet walk comfort neuter clean",
        "food health training space costs company",
        "Which food is poisonous to dogs?|chocolate|plain rice|boiled chicken;"
        "About how many teeth has an adult cat?|30|12|60;"
        "Which animal is a young dog?|a puppy|a foal|a cygnet",
    ),
    _topic(
        "grammar",
        "noun clause adverb comma pronoun tense plural participle sentence adjective hyphen "
        "preposition vowel idiom prefix object subject apostrophe conjunction paragraph",
        "irregular passive plural formal possessive transitive dependent colloquial proper vague",
        "conjugate punctuate rephrase spell quote modify proofread abbreviate pronounce join",
        "rule examples exceptions register spelling practice",
        "What is the plural of mouse?|mice|mouses|meese;"
        "What is the past tense of go?|went|goed|gone-ed;"
        "Which word is an adverb: slow, slowly, slowness?|slowly|slow|slowness",
    ),
    _topic(
        "job interviews",
        "recruiter resume applicant portfolio salary strength weakness reference handshake "
        "career panel questionnaire internship vacancy employer anecdote feedback outfit offer",
        "confident nervous qualified punctual honest relevant ambitious concise rehearsed candid",
        "prepare rehearse negotiate listen apply smile answer follow-up research introduce",
        "preparation questions clothing salary follow-up examples",
        "What does CV stand for?|curriculum vitae|career value|common visa;"
        "When should you arrive for an interview?|a little early|an hour late|the day after;"
        "What does the S in the STAR method stand for?|situation|salary|speed",
    ),
    _topic(
        "philosophy",
        "ethics paradox virtue premise freedom consciousness argument duty stoic logic utility "
        "justice doubt conclusion dialogue reason soul fallacy will meaning",
        "moral rational sceptical abstract absolute stoic subjective dialectical humane coherent",
        "argue doubt reason define question refute reflect infer justify contemplate",
        "definition arguments objections history examples conclusion",
        "Who was the teacher of Plato?|Socrates|Kant|Hume;"
        "Who wrote \u201cI think, therefore I am\u201d?|Descartes|Homer|Newton;"
        "What does philosophy mean in Greek?|love of wisdom|fear of gods|art of war",
    ),
    _topic(
        "football and other sports",
        "referee goalkeeper penalty stadium racket tournament coach tackle offside league medal "
        "helmet serve sprinter relay trophy striker captain overtime mascot",
        "defensive unbeaten competitive agile injured favourite amateur professional tactical fair",
        "score defend pass serve tackle sprint coach substitute dribble celebrate",
        "rules tactics training equipment history teams",
        "How many players of one football team are on the pitch?|eleven|nine|fifteen;"
        "How long is a marathon?|42.195 km|30 km|50 miles;"
        "How many points is a free throw in basketball?|one|three|five",
    ),
    _topic(
        "weather and climate",
        "cloud thunder hurricane drizzle barometer front fog monsoon drought forecast hail "
        "humidity jetstream blizzard breeze temperature rainbow glacier storm pressure",
        "humid windy overcast freezing mild stormy sunny tropical unpredictable wintry",
        "forecast rain freeze evaporate condense blow warm melt thaw measure",
        "causes season measurement danger forecast regions",
        "At what temperature does water freeze?|0 °C|10 °C|-20 °C;"
        "What does a barometer measure?|air pressure|rainfall|sunshine;"
        "Which instrument measures wind speed?|an anemometer|a ruler|a stethoscope",
    ),
    _topic(
        "home improvement",
        "drill hammer plaster ladder paint screw plumbing tile socket shelf sandpaper hinge "
        "insulation gutter varnish brush nail sealant wallpaper tap",
        "damp smooth wooden leaky sturdy cracked waterproof uneven glossy insulated",
        "drill sand paint measure seal hang level plaster saw varnish",
        "tools materials steps safety cost drying-time",
        "What should you turn off before changing a socket?|the power at the fuse box|the TV|"
        "the heating;What do you use to check a level shelf?|a spirit level|a sieve|a compass;"
        "What is put between tiles?|grout|glue sticks|sawdust",
    ),
    _topic(
        "computer security",
        "password phishing firewall malware encryption router backup token browser hacker "
        "certificate update username scam antivirus network fingerprint cookie server leak",
        "encrypted suspicious unique outdated secure anonymous infected private strong remote",
        "encrypt update verify block scan log-in back-up install report reset",
        "passwords updates backups warning-signs devices recovery",
        "What does 2FA add to a password?|a second proof of identity|a shorter name|a new screen;"
        "Which is the stronger password?|a long random phrase|12345|your first name;"
        "What is phishing?|tricking people into giving secrets|catching carp|a file format",
    ),
    _topic(
        "law for tenants",
        "lease deposit landlord clause notice contract eviction tenant repair court dispute "
        "inventory witness agreement signature penalty mediator statute guarantee neighbour",
        "written binding unlawful reasonable joint verbal void fair legal standard",
        "sign appeal notify terminate sublet enforce document claim settle dispute",
        "rights duties deadlines evidence costs advice",
        "What is a tenancy contract called?|a lease|a fugue|a ledger;"
        "What should a tenant keep after paying?|the receipt|the envelope|the pen;"
        "Who settles a dispute without a court?|a mediator|a plumber|a courier",
    ),
    _topic(
        "mathematics at school",
        "fraction triangle equation angle polygon decimal percentage theorem graph root ratio "
        "integer diameter probability exponent matrix factor median variable slope",
        "prime negative parallel equal square rational positive linear obtuse approximate",
        "multiply simplify factor solve divide plot estimate prove round subtract",
        "formula steps check units example shortcut",
        "What is the sum of the angles of a triangle?|180 degrees|90 degrees|400 degrees;"
        "Which is the smallest prime number?|2|1|9;"
        "What is the square root of 144?|12|14|72",
    ),
    _topic(
        "film and theatre",
        "director screenplay actor stage costume premiere sequel villain spotlight audience "
        "scene comedy curtain dialogue soundtrack montage rehearsal script plot camera",
        "dramatic comic suspenseful silent acclaimed tragic cinematic witty scripted classic",
        "direct rehearse film edit perform cast improvise review applaud screen",
        "plot characters music acting setting message",
        "Who wrote Hamlet?|Shakespeare|Goethe|Dickens;"
        "What is a film's written text called?|the screenplay|the libretto|the almanac;"
        "What is the first showing of a film called?|the premiere|the encore|the finale",
    ),
    _topic(
        "parenting and school life",
        "toddler homework bedtime teacher playground crayon tantrum lunchbox classroom sibling "
        "nursery routine allowance storybook backpack report quiz friendship chore nap",
        "patient curious sleepy noisy shy proud gifted stubborn creative calm",
        "encourage praise listen read share teach comfort remind play explain",
        "routine rules sleep praise screens friendships",
        "About how long should a ten-year-old sleep?|nine to twelve hours|three hours|twenty hours;"
        "Which teeth fall out first?|the milk teeth|the wisdom teeth|none ever;"
        "What is a baby's first food?|milk|coffee|popcorn",
    ),
)
