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
    "organic": (
        ("采用有机原料，种植过程不使用农药。", "Made with organic fibres grown without pesticides."),
        ("来自有机农场，土壤和水源都更干净。", "From organic farms that keep their soil and water clean."),
        ("有机认证，从田间就不碰化肥。", "Certified organic: no chemical fertiliser, from the field on."),
    ),
    "recycled": (
        ("面料来自回收再生纤维，每一件都少一点浪费。", "The fabric is spun from recycled yarn, so less goes to waste."),
        ("用回收塑料瓶做成，旧物重获新生。", "Made from recycled bottles that get a second life."),
        ("剩余布料再利用，对地球更温柔。", "Cut from leftover cloth, gentle on the planet."),
    ),
    "handmade": (
        ("由手工匠人小批量缝制。", "Sewn by hand in small batches by local makers."),
        ("每一针都出自老裁缝之手。", "Every stitch is the work of an old tailor's hands."),
        ("手工完成，没有两件一模一样。", "Handcrafted, so no two pieces are quite alike."),
    ),
    "fair": (
        ("通过公平贸易认证，善待每一位工人。", "Fair-trade certified, with decent pay for everyone involved."),
        ("工厂的工资单对所有人公开。", "The factory's wages are open for everyone to read."),
        ("每卖出一件，都捐一笔钱给女工学校。", "With each sale we give to a school for the women who sew."),
    ),
    "office": (
        ("从会议室到地铁都得体。", "Looks right in the meeting room and on the train."),
        ("通勤首选，久坐一天依然挺括。", "The office favourite that stays crisp through a long day at the desk."),
        ("商务场合稳重而不沉闷。", "Business-ready without being stiff."),
    ),
    "campus": (
        ("从早课到图书馆，一整天都自在。", "From the first lecture to the library, easy all day."),
        ("学生党的心头好，考试周也穿得住。", "A students' favourite, even in the week of exams."),
        ("校园里走一圈，总有人问在哪儿买。", "Walk across the campus and somebody will ask where it is from."),
    ),
    "luggage": (
        ("抗皱，放进行李箱也不怕压。", "Wrinkle-free even after a night in the suitcase."),
        ("可折叠收纳，小小一卷就能出发。", "Rolls up small and packs in seconds."),
        ("长途飞行也舒适，护照放进暗袋。", "Comfortable on a long-haul flight, with a hidden place for the passport."),
    ),
    "beach": (
        ("为海边度假而生，沙子一抖就掉。", "Made for the seaside: sand just shakes off."),
        ("游完泳随手一披，太阳下很快就干。", "Throw it on after a swim; it dries in the sun in no time."),
        ("海风、椰子水，还有它。", "A sea breeze, a coconut, and this."),
    ),
    "rain": (
        ("防泼水处理，小雨也能出门。", "Water-repellent, so a shower is no reason to stay in."),
        ("梅雨季也不发愁，雨珠一碰就滚落。", "For the rainy season: drops roll right off."),
        ("经得起台风天的风和雨。", "Stands up to wind and rain on a stormy day."),
    ),
    "mountain": (
        ("防风透气，徒步登山都合适。", "Windproof and breathable on the hiking trail."),
        ("加固耐磨，露营时尽管折腾。", "Reinforced where it wears, happy around the campfire."),
        ("爬山、看日出、住帐篷的好伙伴。", "A good companion for climbing, sunrises and nights in a tent."),
    ),
    "cycling": (
        ("骑车上路不勾不绊，泥点一擦就掉。", "Nothing catches on the bicycle, and mud wipes off."),
        ("反光细节，夜骑更安全。", "Reflective details for riding a bike after dark."),
        ("坐在车座上也不往上跑。", "Stays in place in the saddle, however long the ride."),
    ),
    "training": (
        ("吸汗速干，跑完五公里依然清爽。", "Wicks sweat, still fresh after a five-kilometre run."),
        ("健身房里深蹲、拉伸都不受限。", "Squats and stretches at the gym are no trouble."),
        ("为训练日设计，动作再大也跟得上。", "Designed for training days and big moves."),
    ),
    "party": (
        ("派对夜晚的焦点。", "Steals the show at any party."),
        ("灯光下更显精致，跳舞也自在。", "Comes alive on the dance floor."),
        ("鸡尾酒会上不费力的隆重。", "Effortless glamour for the cocktail hour."),
    ),
    "wedding": (
        ("参加婚礼的首选，新人看了也会夸。", "First choice for wedding guests; even the couple will say so."),
        ("订婚、敬酒、拍全家福都体面。", "Graceful at engagements, toasts and family portraits."),
        ("从教堂到宴会厅，一身就够。", "From the church to the banquet without a change of clothes."),
    ),
    "date": (
        ("约会之夜，让人多看一眼。", "For date nights and a second glance."),
        ("烛光晚餐时恰到好处的心机。", "Just the right touch for a candlelit dinner for two."),
        ("第一次见面就让人心动。", "Made to win a heart when two people meet for the first time."),
    ),
    "minimal": (
        ("极简设计，没有多余的装饰。", "Minimal by design: nothing that does not need to be there."),
        ("少即是多，线条干净利落。", "Less is more: clean lines and nothing else."),
        ("没有大标识，低调而讲究。", "No logo, understated and considered."),
    ),
    "vintage": (
        ("版型取自一九五零年代的老照片。", "The pattern comes from a photograph of the nineteen-fifties."),
        ("复古情怀，像从奶奶的衣柜里翻出来的宝贝。", "Vintage at heart, like a treasure from grandmother's wardrobe."),
        ("按档案里的旧图纸一比一复刻。", "Rebuilt one to one from an old drawing in our archive."),
    ),
    "home": (
        ("窝在沙发里看书的周末标配。", "What weekends on the sofa with a book are made of."),
        ("在家穿也舍不得脱，像被拥抱一样。", "So snug at home that it feels like a hug."),
        ("配一杯热可可和一只打盹的猫。", "Goes with hot cocoa and a cat asleep."),
    ),
    "skin": (
        ("敏感肌友好，不含致敏染剂。", "Kind to sensitive skin, free of dyes that cause allergies."),
        ("通过皮肤科测试，贴身也不痒。", "Tested by dermatologists; no itch on bare skin."),
        ("无标签设计，婴儿般温和。", "No scratchy labels, as mild as for a baby."),
    ),
    "easy_care": (
        ("可机洗，免熨烫，懒人福音。", "Machine-washable and never needs an iron."),
        ("洗一百次也不变形、不起球。", "Keeps its shape through a hundred washes, without pilling."),
        ("咖啡洒上也不怕，湿布一抹就净。", "Spilt coffee comes off with a damp cloth."),
    ),
    "music": (
        ("音乐节上跳一整天也不累。", "Dances through a whole day at a music festival."),
        ("乐队主唱的巡演行头。", "What the singer of a band wears on tour."),
        ("配上一把吉他和一张老唱片。", "Goes with a guitar and an old record."),
    ),
    "art": (
        ("灵感来自美术馆里的一幅旧画。", "Inspired by an old painting in the museum."),
        ("与年轻插画师联名合作。", "A collaboration with a young illustrator."),
        ("像一件可以穿上身的雕塑。", "A sculpture to be worn."),
    ),
    "technology": (
        ("智能温控面料，忽冷忽热都稳得住。", "A smart fabric that regulates its temperature."),
        ("手机放进感应袋，地铁闸机一碰就开。", "A pocket that lets the phone open the turnstile."),
        ("源自宇航服的隔热科技。", "Insulation technology borrowed from space suits."),
    ),
    "family": (
        ("有亲子款，可以和孩子穿同款。", "Also comes in children's sizes, to match parent and child."),
        ("陪娃疯跑一下午也不狼狈。", "Survives an afternoon of chasing toddlers."),
        ("遛狗、推婴儿车都方便。", "For walking the dog and pushing the pram."),
    ),
    "luck": (
        ("过年走亲访友，讨个好彩头。", "Brings good luck on New Year visits."),
        ("本命年的贴心护身符。", "A charm for the year of one's zodiac sign."),
        ("寓意吉祥，长辈一看就喜欢。", "An auspicious piece that grandparents love."),
    ),
    "gift": (
        ("附手写贺卡，送礼不用再包。", "Comes gift-wrapped with a handwritten card."),
        ("生日、纪念日送它不会错。", "A safe present for birthdays and anniversaries."),
        ("打开礼盒的那一刻值得录下来。", "The moment the gift box is opened is worth filming."),
    ),
    "fame": (
        ("明星机场同款，热搜上见过。", "Seen on a film star at the airport."),
        ("时装周街拍里出镜最多的一件。", "The most photographed piece at fashion week."),
        ("社交媒体上被种草无数次。", "Went viral on social media more than once."),
    ),
    "value": (
        ("工厂直供，没有中间商加价。", "Straight from the factory, with no middleman to pay."),
        ("精打细算的人会喜欢。", "For people who count every penny."),
        ("第二件半价，划算到底。", "The second one costs half: a bargain."),
    ),
    "workwear": (
        ("取材自老式工装，口袋多到数不清。", "Borrowed from old workwear, with more pockets than you can count."),
        ("五金件结实，扛得住工地。", "Hardware sturdy enough for a building site."),
        ("木匠、摄影师和修车师傅都在穿。", "Worn by carpenters, photographers and mechanics."),
    ),
}
"""What a description is about: the taste of shoppers who read."""

THEME_SEARCHES: dict[str, tuple[Pair, ...]] = {
    "organic": (("有机", "organic"), ("无农药", "pesticide-free")),
    "recycled": (("环保", "recycled"), ("再生", "upcycled")),
    "handmade": (("手工", "handmade"), ("匠人", "handcrafted")),
    "fair": (("公平贸易", "fair-trade"), ("公益", "charity")),
    "office": (("通勤", "office"), ("商务", "business")),
    "campus": (("学生", "student"), ("校园", "campus")),
    "luggage": (("旅行", "travel"), ("抗皱", "wrinkle-free")),
    "beach": (("度假", "holiday"), ("海边", "beach")),
    "rain": (("防水", "water-repellent"), ("雨天", "rainy day")),
    "mountain": (("户外", "outdoor"), ("徒步", "hiking")),
    "cycling": (("骑行", "cycling"), ("反光", "reflective")),
    "training": (("运动", "training"), ("速干", "quick-dry")),
    "party": (("派对", "party"), ("鸡尾酒会", "cocktail")),
    "wedding": (("婚礼", "wedding guest"), ("宴会", "formal")),
    "date": (("约会", "date night"), ("浪漫", "romantic")),
    "minimal": (("极简", "minimal"), ("低调", "understated")),
    "vintage": (("复古", "vintage"), ("怀旧", "retro")),
    "home": (("居家", "cosy"), ("睡前", "lounge")),
    "skin": (("敏感肌", "sensitive skin"), ("亲肤", "skin-friendly")),
    "easy_care": (("免烫", "non-iron"), ("机洗", "machine-washable")),
    "music": (("音乐节", "festival"), ("乐队", "rock")),
    "art": (("艺术", "arty"), ("联名", "designer collaboration")),
    "technology": (("科技", "high-tech"), ("智能", "smart")),
    "family": (("亲子", "family"), ("妈妈", "for parents")),
    "luck": (("新年", "New Year"), ("本命年", "lucky")),
    "gift": (("礼物", "gift"), ("生日", "birthday")),
    "fame": (("明星同款", "celebrity"), ("网红", "viral")),
    "value": (("平价", "affordable"), ("划算", "bargain")),
    "workwear": (("工装", "workwear"), ("多口袋", "cargo")),
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
