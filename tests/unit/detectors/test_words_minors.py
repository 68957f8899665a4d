"""Words about minors are neutral by themselves, and are read as well in one language as in another."""

from pathlib import Path

import pytest

from detectors.lexicon import Lexicon, read_lexicon

WORDS = Path(__file__).parents[3] / "policies" / "words"
LANGUAGES = ("en", "fr", "ar", "ary", "ary-latn", "zgh")

#: Each concept with sentences in the six languages, in that order; Amazigh in both its scripts.
SPOKEN = {
    "school": (
        ("A visit to the school", "The new schools open today", "an old schoolyard"),
        ("Elle va à l'école", "Les écoles ouvrent demain", "les vacances scolaires"),
        ("زيارة إلى المدرسة", "ذهبت لمدرستها صباحا", "افتتاح مدارس جديدة"),
        ("مشى للمدرسة مع الصباح", "قدام ليكول", "السكويلة ديال الحومة"),
        ("mcha l lmedrasa", "9eddam skwila", "kan f lmadrasa"),
        ("idda s tinmel", "ⵉⴷⴷⴰ ⵙ ⵜⵉⵏⵎⵍ", "g uɣerbaz n temdint"),
    ),
    "primary school": (
        ("An elementary school in spring", "a primary school choir", "a first grader with a bag"),
        ("à l'école primaire du village", "la rentrée en CP", "une école élémentaire"),
        ("المدرسة الابتدائية في القرية", "تلاميذ الابتدائي", "معلم في ابتدائية"),
        ("فالمدرسة الابتدائية", "كيقرا فالابتدائي", "تلاميذ الابتدائي"),
        ("lmadrasa l ibtida2iya", "tlamid l ibtida2i", "medrasa ibtida2iya"),
        ("tinmel tamezwarut", "ⵜⵉⵏⵎⵍ ⵜⴰⵎⵣⵡⴰⵔⵓⵜ", "g tinmel n imeẓẓyanen"),
    ),
    "secondary school": (
        ("The high school band", "a high schooler with a guitar", "junior high science day"),
        ("Au lycée, un matin", "devant le collège", "une collégienne en rentrant"),
        ("في الثانوية", "حفل بالثانوية الجديدة", "يدرس في الإعدادية"),
        ("كيقرا فالليسي", "باب الكوليج", "مشات لليسي"),
        ("kay9ra f lycée", "bab lkolij", "mchat l lisi"),
        ("iqqar g tinmel tasnawayt", "g llisi n temdint", "ⴳ ⵜⵉⵏⵎⵍ ⵜⴰⵙⵏⴰⵡⴰⵢⵜ"),
    ),
    "pupil": (
        ("A pupil raises a hand", "two schoolboys with kites", "a schoolgirl reads aloud"),
        ("Un élève lit", "l'écolière et son cartable", "des écoliers en file"),
        ("تلميذة تقرأ", "كتاب للتلاميذ", "والتلميذ مجتهد"),
        ("واحد التلميذ كيقرا", "التلامد ديال الحومة", "تلميدة كتكتب"),
        ("telmid kay9ra", "tlamed dyal l7ouma", "had tilmida katketeb"),
        ("yan unelmad", "inelmaden n tmazɣa", "ⵢⴰⵏ ⵓⵏⵍⵎⴰⴷ"),
    ),
    "class": (
        ("In the classroom", "her classmates laugh", "empty classrooms at night"),
        ("Dans la salle de classe", "un élève en classe", "mes camarades de classe"),
        ("في الفصل الدراسي", "داخل حجرة الدرس", "القسم الدراسي مزين"),
        ("جالسين فالقسم", "القسم ديالنا زوين", "صحاب القسم"),
        ("jalsin f l9ism", "l9ism dyalna zwin", "s7ab l9ism"),
        ("g tneɣrit n tinmel", "ⴳ ⵜⵏⵖⵔⵉⵜ", "lqism nneɣ"),
    ),
    "kindergarten": (
        ("The kindergarten garden", "a preschool play", "kindergartners paint"),
        ("à la maternelle", "la crèche du quartier", "une garderie fleurie"),
        ("في روضة الحي", "حضانة جديدة", "الروضة مغلقة اليوم"),
        ("مشى للروض", "لاكريش ديال الحومة", "جابو من الروض"),
        ("mcha l rawd", "lcreche dial l7ouma", "rawd jdid"),
        ("tdda s rrawd", "larud n temdint", "ⵔⵔⴰⵡⴷ"),
    ),
    "teenager": (
        ("A teenager skates", "two teens on bikes", "an adolescent reads"),
        ("Un ado à vélo", "des adolescents jouent", "une adolescente chante"),
        ("مراهق يركب دراجة", "والمراهقون يلعبون", "برنامج للمراهقات"),
        ("واحد المراهق كيلعب", "المراهقين ديال الدرب", "مراهقة كتغني"),
        ("wa7ed lmora7i9", "mora7i9at kayghenniw", "mourahi9 kayl3eb"),
        ("yan ilemẓi", "tilemẓiyin n dduwar", "ⵉⵍⵎⵥⵉ"),
    ),
    "child": (
        ("A child on a swing", "the kids sing", "children's drawings"),
        ("L'enfant et la mer", "des gamins dehors", "un enfant dort"),
        ("طفل يرسم", "للأطفال فقط", "وطفلة تضحك"),
        ("الدراري كيلعبو", "واحد الطفل صغير", "الوليدات ديال الحومة"),
        ("drari kayl3bo", "wa7ed tfel", "wlidat dial l7ouma"),
        ("yan ufrux", "ⵉⵛⵉⵔⵔⴰⵏ", "lwacun ttiraren"),
    ),
    "boy": (
        ("A boy flies a kite", "the boys run", "little boy on a bike"),
        ("Un garçon court", "les garçons du village", "petit garçon au parc"),
        ("صبي يجري", "الولد يقرأ", "فتيان القرية"),
        ("واحد الولد كيجري", "دري صغير", "للولد كتاب"),
        ("wa7ed lweld", "weld sghir", "had derri kayjri"),
        ("aqcic yuzzel", "arba yuran", "ⴰⵇⵛⵉⵛ"),
    ),
    "girl": (
        ("A young girl reads", "boys and girls dance", "little girl with a cat"),
        ("Une fillette lit", "les petites filles du quartier", "une petite fille rit"),
        ("فتاة صغيرة تقرأ", "البنات الصغيرات يرقصن", "وبنت صغيرة تضحك"),
        ("واحد البنيتة كتقرا", "البنات الصغار ديال الحومة", "بنيتة صغيرة"),
        ("wa7ed lbent sghira", "lbnat sghar dial l7ouma", "bent sghira"),
        ("tarbat tɣra", "taqcict teqqar", "ⵜⴰⵇⵛⵉⵛⵜ"),
    ),
    "baby": (
        ("A baby sleeps", "the newborn's room", "two toddlers walk"),
        ("Le bébé dort", "un nourrisson sourit", "des bébés rient"),
        ("رضيع نائم", "مولود جديد", "غرفة للرضع"),
        ("البيبي ناعس", "واحد الرضيع", "بيبي كيضحك"),
        ("bibi sghir na3es", "wa7ed rdi3", "lbibi kaydhek"),
        ("llufan iṭṭes", "ⵍⵍⵓⴼⴰⵏ", "yan ugrud"),
    ),
    "age in digits": (
        ("he is 15 years old", "a 14-year-old singer", "aged 9"),
        ("il a 15 ans", "âgée de 14 ans", "un chanteur de 9 ans"),
        ("عمره 15 سنة", "في عمر ١٤ عاما", "عمرها 9 سنوات"),
        ("عندو 15 عام", "عندها 9 سنين", "ف عمرو 14 عام"),
        ("3ndo 15 3am", "3ndha 9 snin", "3mro 14 l3am"),
        ("dars 15 n isggasn", "ɣurs 9 isggʷasn", "ⵖⵓⵔⵙ 14 ⵏ ⵓⵙⴳⴳⴰⵙ"),
    ),
    "age in words": (
        ("she is fourteen years old", "a sixteen-year-old", "aged nine"),
        ("elle a quatorze ans", "un musicien de seize ans", "il a neuf ans"),
        ("في الرابعة عشرة من عمرها", "ستة عشر عاما", "عمره تسع سنوات"),
        ("عندها ربعطاش عام", "خمسطاشر عام", "عندو تسع سنين"),
        ("3ndha rb3tach 3am", "khmestacher l3am", "3ndo seb3 snin"),
        ("dars smmus d mraw n isggasn", "xmesṭac n useggas", "ⵖⵓⵔⵙ ⵜⵥⴰ ⵏ ⵉⵙⴳⴳⴰⵙⵏ"),
    ),
}
#: What only looks or sounds so. Of food and grown animals' young nothing is said of people: "baby carrots" stays out.
#: "Girl" by itself, in any of the languages, is said of grown women as often: it tells no age.
LOOK_ALIKES = [
    "a girl dances in the rain",
    "les filles du bureau",
    "فتاة تقود سيارة",
    "واحد البنت كتصوب القهوة",
    "old school hip-hop",
    "a film school of thought",
    "she teaches at the law school",
    "a school of fish",
    "kid leather gloves",
    "glazed baby carrots",
    "a baby elephant by the river",
    "a boy band from the nineties",
    "Girl with a Pearl Earring",
    "a concerto in A minor",
    "a college professor gives a lecture",
    "a tree bent by the wind",
    "dry leaves on the ground",
    "a man welds steel",
    "two years ago",
    "he is nineteen years old",
    "a yoga class at sunrise",
    "une école de pensée",
    "une école de commerce",
    "sa langue maternelle",
    "un garçon de café",
    "une crèche de Noël",
    "un prix élevé",
    "il y a dix ans",
    "depuis 15 ans",
    "il a vingt ans",
    "première classe dans le train",
    "le Collège de France",
    "المحكمة الابتدائية",
    "أدوار ثانوية في الفيلم",
    "المدرسة الفكرية الجديدة",
    "مدرس يشرح الخريطة",
    "تبنت الحكومة القانون",
    "تولد الطاقة من الرياح",
    "منذ 10 سنوات",
    "في التاسعة عشرة من عمره",
    "الساعة الثالثة بعد الزوال",
    "عندو عشرين عام",
    "رئيس القسم كيهضر فالاجتماع",
    "3ndo 3chrin 3am",
    "tam d mraw n isggasn",
    "tamdint n agadir",
]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return read_lexicon(WORDS / "lexicon.yaml")


@pytest.mark.parametrize(
    ("concept", "language", "text"),
    [
        (concept, language, text)
        for concept, sentences in SPOKEN.items()
        for language, said in zip(LANGUAGES, sentences, strict=True)
        for text in said
    ],
)
def test_every_language_speaks_of_minors_alike(concept, language, text, lexicon):
    assert "minors" in {hit.category for hit in lexicon.find({"prompt": text})}, (concept, language)


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_only_looks_so_is_left_alone(text, lexicon):
    assert "minors" not in {hit.category for hit in lexicon.find({"prompt": text})}


def test_an_excused_phrase_does_not_excuse_the_word_beside_it(lexicon):
    assert [hit.term for hit in lexicon.find({"prompt": "old school songs at the school"})] == ["school"]
