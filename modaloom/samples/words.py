"""What the built-in shop says, in Chinese and English: names, titles, descriptions, searches.

Nothing in here names a colour or a print, save the colour words that shoppers type into the search box.
"""

from __future__ import annotations

import random

Pair = tuple[str, str]
"""The same thing in Chinese and in English."""

NOUNS: dict[str, tuple[Pair, ...]] = {
    "t_shirt": (("T恤", "T-shirt"), ("短袖上衣", "tee"), ("短袖T恤", "jersey tee")),
    "shirt": (("衬衫", "shirt"), ("翻领衬衫", "button-up shirt"), ("衬衣", "button-down")),
    "blouse": (("女式衬衫", "blouse"), ("飘逸衬衫", "soft blouse"), ("气质上衣", "draped blouse")),
    "polo_shirt": (("Polo衫", "polo shirt"), ("翻领Polo", "polo"), ("短袖Polo衫", "short-sleeved polo")),
    "tank_top": (("背心", "tank top"), ("无袖上衣", "sleeveless top"), ("打底背心", "vest top")),
    "sweater": (("毛衣", "sweater"), ("针织衫", "pullover"), ("套头毛衣", "jumper")),
    "turtleneck": (("高领毛衣", "turtleneck"), ("高领针织衫", "roll-neck sweater"), ("高领打底衫", "turtleneck knit")),
    "cardigan": (("开衫", "cardigan"), ("针织开衫", "knitted cardigan"), ("毛衣开衫", "button cardigan")),
    "hoodie": (("连帽卫衣", "hoodie"), ("卫衣", "hooded sweatshirt"), ("帽衫", "hooded top")),
    "blazer": (("西装外套", "blazer"), ("西服", "tailored jacket"), ("小西装", "suit jacket")),
    "denim_jacket": (("牛仔外套", "denim jacket"), ("牛仔夹克", "trucker jacket"), ("牛仔衣", "jean jacket")),
    "leather_jacket": (("皮夹克", "leather jacket"), ("皮衣", "nappa jacket"), ("皮外套", "leather blouson")),
    "puffer_jacket": (("羽绒服", "puffer jacket"), ("轻便羽绒服", "down jacket"), ("羽绒外套", "quilted puffer")),
    "trench_coat": (("风衣", "trench coat"), ("系带风衣", "belted trench"), ("经典风衣", "trench")),
    "wool_coat": (("羊毛大衣", "wool coat"), ("毛呢大衣", "overcoat"), ("呢子外套", "tailored coat")),
    "jeans": (("牛仔裤", "jeans"), ("五袋牛仔裤", "five-pocket jeans"), ("丹宁长裤", "denim jeans")),
    "trousers": (("长裤", "trousers"), ("西裤", "tailored trousers"), ("休闲裤", "slacks")),
    "shorts": (("短裤", "shorts"), ("休闲短裤", "casual shorts"), ("五分裤", "bermuda shorts")),
    "leggings": (("紧身裤", "leggings"), ("瑜伽裤", "yoga leggings"), ("打底裤", "stretch leggings")),
    "mini_skirt": (("短裙", "mini skirt"), ("A字短裙", "A-line mini"), ("迷你裙", "short skirt")),
    "midi_skirt": (("中长裙", "midi skirt"), ("半身裙", "midi-length skirt"), ("中裙", "mid-length skirt")),
    "pleated_skirt": (("百褶裙", "pleated skirt"), ("压褶半裙", "pleat skirt"), ("褶裥裙", "knife-pleat skirt")),
    "dress": (("连衣裙", "dress"), ("收腰连衣裙", "fit-and-flare dress"), ("裙子", "day dress")),
    "maxi_dress": (("长裙", "maxi dress"), ("曳地长裙", "full-length dress"), ("飘逸长裙", "long dress")),
    "qipao": (("旗袍", "qipao"), ("改良旗袍", "cheongsam"), ("盘扣旗袍", "mandarin-collar dress")),
    "jumpsuit": (("连体裤", "jumpsuit"), ("连身裤", "all-in-one"), ("连体长裤", "one-piece suit")),
    "sneakers": (("运动鞋", "sneakers"), ("休闲板鞋", "trainers"), ("系带休闲鞋", "lace-up sneakers")),
    "ankle_boots": (("短靴", "ankle boots"), ("踝靴", "booties"), ("短筒靴", "boots")),
    "heels": (("高跟鞋", "heels"), ("高跟单鞋", "pumps"), ("女士高跟鞋", "heeled shoes")),
    "loafers": (("乐福鞋", "loafers"), ("便鞋", "slip-on loafers"), ("一脚蹬皮鞋", "moccasin loafers")),
    "tote_bag": (("托特包", "tote bag"), ("手提包", "tote"), ("购物袋", "shopper bag")),
    "backpack": (("双肩包", "backpack"), ("背包", "rucksack"), ("书包", "daypack")),
    "cap": (("棒球帽", "baseball cap"), ("鸭舌帽", "cap"), ("遮阳帽", "curved-brim cap")),
    "beanie": (("毛线帽", "beanie"), ("针织帽", "knitted hat"), ("冷帽", "ribbed beanie")),
    "scarf": (("围巾", "scarf"), ("长围巾", "long scarf"), ("披肩围巾", "wrap scarf")),
    "belt": (("腰带", "belt"), ("皮带", "buckled belt"), ("针扣腰带", "waist belt")),
}
"""How each category is called; the first is the plain word."""

MATERIALS: dict[str, Pair] = {
    "cotton": ("棉", "cotton"), "modal": ("莫代尔", "modal"), "denim": ("丹宁", "denim"),
    "merino": ("美利奴羊毛", "merino"), "cashmere": ("羊绒", "cashmere"), "wool": ("羊毛", "wool"),
    "leather": ("真皮", "leather"), "silk": ("真丝", "silk"), "satin": ("缎面", "satin"),
    "linen": ("亚麻", "linen"), "down": ("羽绒", "down"), "canvas": ("帆布", "canvas"),
}  # fmt: skip
"""What things are made of."""

AUDIENCE_NAMES: dict[str, Pair] = {"women": ("女装", "women"), "men": ("男装", "men"), "unisex": ("男女同款", "unisex")}
"""Whom a piece is made for."""

NAMES: tuple[Pair, ...] = (
    ("林岸", "Linden"), ("青禾", "Hazel"), ("云起", "Skye"), ("南风", "Marin"), ("知夏", "Juno"), ("听雨", "Rain"),
    ("归航", "Harbour"), ("远山", "Alder"), ("白露", "Dew"), ("星野", "Nova"), ("拾光", "Lumen"), ("木棉", "Ceiba"),
    ("微澜", "Ripple"), ("晴川", "Rhone"), ("朝歌", "Aria"), ("暮雪", "Elsa"), ("沐风", "Brisa"), ("半夏", "Sorrel"),
    ("长街", "Avenue"), ("浅草", "Fern"), ("轻舟", "Skiff"), ("遇见", "Rendez"), ("初见", "Prima"), ("花溪", "Brook"),
    ("逐浪", "Tide"), ("橙里", "Clem"), ("岁安", "Serena"), ("拂晓", "Dawn"), ("南乔", "Nancy"), ("北川", "Bering"),
    ("竹里", "Bamboo"), ("若水", "Willow"), ("松间", "Pinea"), ("栖迟", "Linger"), ("海盐", "Salt"), ("麦田", "Barley"),
    ("石桥", "Pont"), ("山语", "Sierra"), ("鹿鸣", "Roe"), ("雁回", "Wren"), ("橡树", "Oakley"), ("月牙", "Luna"),
    ("云杉", "Spruce"), ("洛迦", "Loca"), ("安渡", "Andover"), ("清和", "Clara"), ("弥生", "Maya"), ("十里", "Miles"),
)  # fmt: skip
"""Names of models."""

FITS: tuple[Pair, ...] = (
    ("宽松", "relaxed"), ("经典", "classic"), ("日常", "everyday"), ("轻盈", "lightweight"), ("修身", "slim"),
    ("舒适", "comfort"), ("柔软", "soft"), ("休闲", "easy"), ("常规", "regular"), ("高级", "premium"),
)  # fmt: skip
"""Fit or feel, as titles name it."""

THEMES: dict[str, tuple[Pair, ...]] = {
    "planet": (
        ("采用有机原料，种植过程不使用农药。", "Made with organic fibres grown without pesticides."),
        ("面料来自回收再生纤维，每一件都少一点浪费。", "The fabric is spun from recycled yarn, so less goes to waste."),
        ("由手工匠人小批量缝制。", "Sewn by hand in small batches by local makers."),
        ("可持续染整工艺，节水八成。", "A sustainable finish that saves four fifths of the water."),
        ("通过公平贸易认证，善待每一位工人。", "Fair-trade certified, with decent pay for everyone involved."),
        ("环保包装，可降解吊牌。", "Ships in plastic-free packaging with a compostable tag."),
        ("剩余布料再利用，对地球更温柔。", "Cut from leftover cloth, gentle on the planet."),
    ),
    "commute": (
        ("从会议室到地铁都得体。", "Looks right in the meeting room and on the train."),
        ("通勤首选，久坐一天依然挺括。", "The office favourite that stays crisp through a long day at the desk."),
        ("适合上班穿着，搭配电脑包刚刚好。", "Made for work days and a laptop under the arm."),
        ("职场新人和管理者都喜欢的剪裁。", "A professional line for the first job and the corner office alike."),
        ("早高峰不慌张，见客户也从容。", "Calm in the rush hour, composed in front of clients."),
        ("商务场合稳重而不沉闷。", "Business-ready without being stiff."),
        ("工作日衣橱里最可靠的一件。", "The most dependable piece of a weekday wardrobe."),
    ),
    "travel": (
        ("抗皱，放进行李箱也不怕压。", "Wrinkle-free even after a night in the suitcase."),
        ("可折叠收纳，小小一卷就能出发。", "Rolls up small and packs in seconds."),
        ("洗后快干，旅途中隔天就能再用。", "Dries overnight in a hotel bathroom."),
        ("长途飞行也舒适。", "Comfortable on a long-haul flight."),
        ("周末短途旅行，只带它就够。", "The one thing to take on a weekend getaway."),
        ("度假、登机、逛老城，都能应付。", "From the boarding gate to the old town, ready for any trip."),
        ("内藏护照暗袋，出门更安心。", "A hidden place for the passport keeps travellers at ease."),
    ),
    "outdoor": (
        ("防泼水处理，小雨也能出门。", "Water-repellent, so a shower is no reason to stay in."),
        ("防风透气，徒步登山都合适。", "Windproof and breathable on the hiking trail."),
        ("加固耐磨，露营时尽管折腾。", "Reinforced where it wears, happy around the campfire."),
        ("野外骑行也不怕泥点。", "Shrugs off mud on a bike ride through the woods."),
        ("为户外天气设计，经得起日晒雨淋。", "Built for rough weather in the open air."),
        ("爬山、钓鱼、看星空的好伙伴。", "A good companion for climbing, fishing and nights in a tent."),
        ("反光细节，夜跑更安全。", "Reflective details for running after dark."),
    ),
    "party": (
        ("派对夜晚的焦点。", "Steals the show at any party."),
        ("晚宴、婚礼、生日会都能惊艳亮相。", "A stunning entrance at weddings, dinners and birthdays."),
        ("灯光下更显精致，跳舞也自在。", "Comes alive on the dance floor."),
        ("约会之夜，让人多看一眼。", "For date nights and a second glance."),
        ("节日聚会，举杯时刻的好选择。", "Festive, made for clinking glasses."),
        ("鸡尾酒会上不费力的隆重。", "Effortless glamour for the cocktail hour."),
        ("庆祝的日子，就穿得隆重一点。", "Because celebrations deserve dressing up."),
    ),
    "calm": (
        ("极简设计，没有多余的装饰。", "Minimal by design: nothing that does not need to be there."),
        ("安静克制，十年后依旧耐看。", "Quiet and restrained, still good in ten years."),
        ("少即是多，线条干净利落。", "Less is more: clean lines and nothing else."),
        ("胶囊衣橱的基础款，怎么搭都不会错。", "A capsule-wardrobe basic that never argues."),
        ("不追潮流，只求恰到好处。", "No trend to follow, just the right proportions."),
        ("没有大标识，低调而讲究。", "No logo, understated and considered."),
        ("北欧式的简单与舒服。", "Nordic simplicity, pared back to what matters."),
    ),
}
"""What a description is about: the taste of shoppers who read."""

THEME_SEARCHES: dict[str, tuple[Pair, ...]] = {
    "planet": (("有机", "organic"), ("环保", "recycled"), ("手工", "handmade")),
    "commute": (("通勤", "office"), ("上班", "work"), ("商务", "business")),
    "travel": (("旅行", "travel"), ("抗皱", "wrinkle-free"), ("度假", "holiday trip")),
    "outdoor": (("户外", "outdoor"), ("防水", "water-repellent"), ("徒步", "hiking")),
    "party": (("派对", "party"), ("晚宴", "evening"), ("约会", "date night")),
    "calm": (("极简", "minimal"), ("基础款", "basic"), ("低调", "understated")),
}
"""What readers type into the search box."""

COLOUR_WORDS: dict[str, Pair] = {
    "black": ("黑色", "black"), "white": ("白色", "white"), "grey": ("灰色", "grey"),
    "navy": ("藏青色", "navy"), "blue": ("蓝色", "blue"), "sky": ("天蓝色", "sky blue"),
    "teal": ("青色", "teal"), "green": ("绿色", "green"), "olive": ("橄榄绿", "olive"),
    "mint": ("薄荷绿", "mint"), "yellow": ("黄色", "yellow"), "mustard": ("芥末黄", "mustard"),
    "orange": ("橙色", "orange"), "red": ("红色", "red"), "burgundy": ("酒红色", "burgundy"),
    "pink": ("粉色", "pink"), "fuchsia": ("玫红色", "fuchsia"), "lilac": ("丁香紫", "lilac"),
    "purple": ("紫色", "purple"), "brown": ("棕色", "brown"), "camel": ("驼色", "camel"),
    "beige": ("米色", "beige"),
}  # fmt: skip
"""Colours as shoppers call them."""

SEASON_WORDS: dict[str, Pair] = {
    "spring": ("春季", "spring"), "summer": ("夏季", "summer"), "autumn": ("秋季", "autumn"),
    "winter": ("冬季", "winter"), "all": ("四季", "all-season"),
}  # fmt: skip

_OPENINGS: tuple[Pair, ...] = (
    ("这款{noun}选用{material}面料，手感舒服。", "Made of {material} that feels good from the first day."),
    ("{name}系列的{noun}，我们反复调整了版型。", "We went through many patterns before the {name} line felt right."),
    ("一件值得常常取用的{noun}。", "One of those pieces to reach for again and again: {noun} by our own studio."),
    ("{material}材质，分量适中，不挑身材。", "{material_cap} of a pleasant weight, kind to every figure."),
    ("{fit}款{noun}，细节都经得起近看。", "The {fit} {noun}, with details that stand a closer look."),
    ("设计师把{noun}重新想了一遍。", "Our designers thought the {noun} through once more."),
    ("{season}里用得最多的{noun}之一。", "Among the pieces that see the most wear: {season} {noun}."),
    ("缝线细密，{noun}的轮廓保持得住。", "Fine seams keep the {noun} in shape."),
)
_CLOSINGS: tuple[Pair, ...] = (
    ("尺码标准，建议按平时尺码选购。", "True to size."),
    ("介于两个尺码之间时，建议选小一码。", "Between two sizes, take the smaller one."),
    ("不合适可在三十天内退换。", "Free returns within thirty days."),
    ("请按水洗标打理。", "Please follow the care label."),
    ("模特身高一米七五，穿中号。", "Our model is 175 cm tall and wears a medium."),
    ("建议轻柔清洁，阴凉处晾放。", "Clean gently and keep it in the shade."),
    ("同款有多种选择，请以图片为准。", "Comes in several versions; see the pictures."),
    ("附赠收纳袋。", "Comes with a storage pouch."),
)
_TITLES: tuple[Pair, ...] = (
    ("{name}{fit}{noun}", "{name} {fit} {noun}"),
    ("{fit}{noun}·{name}", "{fit_cap} {noun} “{name}”"),
    ("{name} {material}{noun}", "{name} {material} {noun}"),
    ("{name}系列 {fit}{material}{noun}", "{name} – {fit} {material} {noun}"),
    ("{material}{noun}（{name}款）", "{material_cap} {noun}, {name} line"),
)


_N_PLAIN_TITLES = 2
"""The first titles do not name the material."""


def _says_already(noun: Pair, word: Pair) -> bool:
    """Whether a noun has the word in it: no leather leather jacket."""
    return word[0] in noun[0] or word[1] in noun[1]


def title(rng: random.Random, category: str, material: str, name: Pair) -> tuple[str, str]:
    """A title in Chinese and English: category, fit, the model's name, perhaps the material."""
    fit, noun, cloth = rng.choice(FITS), rng.choice(NOUNS[category]), MATERIALS[material]
    patterns = _TITLES[:_N_PLAIN_TITLES] if _says_already(noun, cloth) else _TITLES
    return _fill(rng.choice(patterns), {"name": name, "fit": fit, "noun": noun, "material": cloth})


def description(rng: random.Random, category: str, material: str, season: str, theme: str, name: Pair) -> Pair:
    """A description in Chinese and English: an opening, two sentences on the theme, a closing; order varies."""
    fields = {
        "name": name, "fit": rng.choice(FITS), "noun": rng.choice(NOUNS[category]), "material": MATERIALS[material],
        "season": SEASON_WORDS[season],
    }  # fmt: skip
    opening = _fill(rng.choice(_OPENINGS), fields)
    first, second = rng.sample(THEMES[theme], 2)
    parts = [opening, first, second, rng.choice(_CLOSINGS)]
    if rng.random() < 0.35:
        parts = [first, opening, second, parts[3]]
    elif rng.random() < 0.3:
        parts = [opening, first, parts[3], second]
    return "".join(part[0] for part in parts), " ".join(part[1] for part in parts)


def query(rng: random.Random, language: str, category: str, *extras: Pair) -> str:
    """What somebody types who looks for a category, with one of the extras in front."""
    place = 0 if language == "zh" else 1
    noun = rng.choice(NOUNS[category])
    extra = rng.choice(extras) if extras else None
    words = [] if extra is None or _says_already(noun, extra) else [extra[place]]
    return ("" if place == 0 else " ").join([*words, noun[place]])


def _fill(pattern: Pair, fields: dict[str, Pair]) -> Pair:
    zh = {key: value[0] for key, value in fields.items()}
    en = {key: value[1] for key, value in fields.items()}
    en |= {f"{key}_cap": value[:1].upper() + value[1:] for key, value in en.items()}
    return pattern[0].format(**zh), pattern[1].format(**en)
