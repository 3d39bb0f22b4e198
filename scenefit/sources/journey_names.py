"""What departments and coupon families of The Complete Journey are called, in English and Chinese.

Departments are spelt out from the data's abbreviations. Coupon families gather the categories that a shopper would
look for on one shelf; they are drawn from the catalogue alone, never from who redeemed what.
"""

from __future__ import annotations

from typing import NamedTuple


class Names(NamedTuple):
    """English and Chinese name of one thing."""

    en: str
    zh: str


class Family(NamedTuple):
    """Coupons of one shelf: the product categories that put a coupon into it."""

    family_id: str
    en: str
    zh: str
    categories: tuple[str, ...]


DEPARTMENTS: dict[str, Names] = {
    "COSMETICS": Names("Cosmetics", "化妆品"),
    "DELI": Names("Delicatessen", "熟食"),
    "DRUG GM": Names("Drugstore and general merchandise", "药妆与百货"),
    "FLORAL": Names("Flowers", "鲜花"),
    "FROZEN GROCERY": Names("Frozen grocery", "冷冻食品"),
    "FUEL": Names("Fuel", "加油"),
    "GARDEN CENTER": Names("Garden centre", "园艺"),
    "GROCERY": Names("Grocery", "食品杂货"),
    "MEAT": Names("Fresh meat", "鲜肉"),
    "MEAT-PCKGD": Names("Packaged meat", "包装肉制品"),
    "NUTRITION": Names("Natural food and nutrition", "天然食品与营养"),
    "PASTRY": Names("Bakery", "面包糕点"),
    "PRODUCE": Names("Fruit and vegetables", "果蔬"),
    "RESTAURANT": Names("Restaurant", "餐饮"),
    "SALAD BAR": Names("Salad bar", "沙拉吧"),
    "SEAFOOD": Names("Fresh seafood", "鲜活海产"),
    "SEAFOOD-PCKGD": Names("Packaged seafood", "包装海产"),
    "SPIRITS": Names("Spirits", "酒类"),
    "TOYS": Names("Toys", "玩具"),
}

COUPON_FAMILIES: tuple[Family, ...] = (
    Family("frozen-pizza", "Frozen pizza", "冷冻披萨", ("FROZEN PIZZA",)),
    Family("frozen-meals", "Frozen meals", "冷冻正餐", ("FRZN MEAT/MEAT DINNERS", "FROZEN CHICKEN")),
    Family("frozen-vegetables", "Frozen vegetables and potatoes", "冷冻蔬菜与薯品",
           ("FRZN VEGETABLE/VEG DSH", "FRZN POTATOES")),
    Family("frozen-breakfast", "Frozen breakfast", "冷冻早餐", ("FRZN BREAKFAST FOODS",)),
    Family("frozen-bread", "Frozen bread and dough", "冷冻面包与面团", ("FROZEN BREAD/DOUGH",)),
    Family("frozen-desserts", "Frozen pies and fruit", "冷冻派与水果", ("FROZEN PIE/DESSERTS", "FRZN FRUITS")),
    Family("ice-cream", "Ice cream", "冰淇淋", ("ICE CREAM/MILK/SHERBTS",)),
    Family("ice-novelties", "Ice lollies and frozen drinks", "冰棒与冷冻饮品",
           ("FRZN NOVELTIES/WTR ICE", "FRZN JCE CONC/DRNKS")),
    Family("cheese", "Cheese", "奶酪", ("CHEESE",)),
    Family("milk", "Milk and cream", "牛奶与奶油", ("FLUID MILK PRODUCTS", "MILK BY-PRODUCTS", "CANNED MILK")),
    Family("yogurt", "Yogurt and chilled dairy", "酸奶与冷藏乳品", ("YOGURT", "MISC. DAIRY")),
    Family("butter", "Butter and margarine", "黄油与人造黄油", ("BUTTER", "MARGARINES")),
    Family("eggs", "Eggs", "鸡蛋", ("EGGS",)),
    Family("chilled-dough", "Chilled dough", "冷藏面团", ("REFRGRATD DOUGH PRODUCTS",)),
    Family("chilled-juice", "Chilled juice", "冷藏果汁", ("REFRGRATD JUICES/DRNKS",)),
    Family("juice", "Juice and drink mixes", "果汁与冲饮", ("CANNED JUICES", "PWDR/CRYSTL DRNK MX")),
    Family("soft-drinks", "Soft drinks", "碳酸饮料", ("SOFT DRINKS",)),
    Family("water", "Water and sports drinks", "水与运动饮料", ("WATER - CARBONATED/FLVRD DRINK", "ISOTONIC DRINKS")),
    Family("coffee-tea", "Coffee, tea and cocoa", "咖啡、茶与可可",
           ("COFFEE", "TEAS", "COCOA MIXES", "COFFEE FILTERS")),
    Family("cold-cereal", "Cold cereal", "即食麦片", ("COLD CEREAL",)),
    Family("breakfast", "Hot cereal and breakfast bars", "热麦片与早餐棒",
           ("HOT CEREAL", "CONVENIENT BRKFST/WHLSM SNACKS")),
    Family("bread", "Bread, rolls and cakes", "面包、餐包与蛋糕",
           ("BAKED BREAD/BUNS/ROLLS", "BREAD", "ROLLS", "CAKES", "PIES", "COOKIES")),
    Family("cookies-crackers", "Cookies and crackers", "饼干", ("COOKIES/CONES", "CRACKERS/MISC BKD FD")),
    Family("salty-snacks", "Crisps, nuts and popcorn", "薯片、坚果与爆米花",
           ("BAG SNACKS", "SNACK NUTS", "WAREHOUSE SNACKS", "POPCORN")),
    Family("candy", "Candy", "糖果", ("CANDY - CHECKLANE", "CANDY - PACKAGED")),
    Family("pasta", "Pasta and pasta sauce", "意面与意面酱", ("PASTA SAUCE", "DRY NOODLES/PASTA")),
    Family("dry-dinners", "Dry dinners, rice and beans", "干制正餐、米与豆",
           ("DINNER MXS:DRY", "DRY BN/VEG/POTATO/RICE", "DRY SAUCES/GRAVY", "HISPANIC")),
    Family("canned-food", "Soup and canned food", "汤与罐头",
           ("SOUP", "MEAT - SHELF STABLE", "FRUIT - SHELF STABLE", "VEGETABLES - SHELF STABLE",
            "SEAFOOD - SHELF STABLE", "BEANS - CANNED GLASS & MW")),
    Family("dressings", "Dressings and sauces", "沙拉酱与酱料", ("SALD DRSNG/SNDWCH SPRD", "CONDIMENTS/SAUCES")),
    Family("pickles", "Pickles and olives", "腌菜与橄榄", ("PICKLE/RELISH/PKLD VEG", "OLIVES")),
    Family("spreads", "Spreads and syrups", "涂抹酱与糖浆",
           ("PNT BTR/JELLY/JAMS", "SYRUPS/TOPPINGS", "MOLASSES/SYRUP/PANCAKE MIXS")),
    Family("baking", "Baking, sugar and oil", "烘焙、糖与油",
           ("BAKING MIXES", "BAKING NEEDS", "FLOUR & MEALS", "SUGARS/SWEETNERS", "SHORTENING/OIL", "DRY MIX DESSERTS")),
    Family("bath-tissue", "Bath tissue", "卫生纸", ("BATH TISSUES",)),
    Family("paper", "Paper, foil and bags", "纸品、保鲜膜与袋",
           ("PAPER TOWELS", "PAPER HOUSEWARES", "FACIAL TISS/DNR NAPKIN", "FD WRAPS/BAGS/TRSH BG")),
    Family("laundry", "Laundry", "洗衣", ("LAUNDRY DETERGENTS", "LAUNDRY ADDITIVES", "BLEACH")),
    Family("cleaning", "Household cleaning", "家居清洁",
           ("HOUSEHOLD CLEANG NEEDS", "DISHWASH DETERGENTS", "AIR CARE", "BROOMS AND MOPS")),
    Family("pets", "Pets", "宠物", ("CAT FOOD", "DOG FOODS", "CAT LITTER")),
    Family("oral-care", "Oral care", "口腔护理", ("ORAL HYGIENE PRODUCTS",)),
    Family("soap", "Soap", "皂与沐浴", ("SOAP - LIQUID & BAR", "BATH")),
    Family("hair-care", "Hair care", "洗护发", ("HAIR CARE PRODUCTS",)),
    Family("skin-care", "Skin care and make-up", "护肤与彩妆",
           ("HAND/BODY/FACIAL PRODUCTS", "MAKEUP AND TREATMENT", "SUNTAN", "FOOT CARE PRODUCTS")),
    Family("shaving", "Shaving and deodorants", "剃须与止汗", ("SHAVING CARE PRODUCTS", "DEODORANTS")),
    Family("hygiene", "Feminine and adult hygiene", "女性与成人卫生",
           ("FEMININE HYGIENE", "ADULT INCONTINENCE", "FAMILY PLANNING")),
    Family("diapers", "Diapers", "纸尿裤", ("DIAPERS & DISPOSABLES",)),
    Family("baby", "Baby food and care", "婴儿食品与护理",
           ("BABY FOODS", "BABY HBC", "INFANT FORMULA", "INFANT CARE PRODUCTS")),
    Family("medicine", "Medicine", "非处方药",
           ("ANALGESICS", "ANTACIDS", "LAXATIVES", "COLD AND FLU", "SINUS AND ALLERGY", "EYE AND EAR CARE PRODUCTS",
            "FIRST AID PRODUCTS", "SMOKING CESSATIONS")),
    Family("nutrition", "Vitamins and natural food", "维生素与天然食品",
           ("VITAMINS", "DIETARY AID PRODUCTS", "FITNESS&DIET", "CEREAL/BREAKFAST", "NON EDIBLE PRODUCTS",
            "REFRIGERATED", "NON-DAIRY BEVERAGES", "CHIPS&SNACKS", "SNKS/CKYS/CRKR/CNDY", "FROZEN",
            "PACKAGED NATURAL SNACKS")),
    Family("meat", "Meat and sausages", "肉与香肠",
           ("BACON", "BEEF", "SMOKED MEATS", "DINNER SAUSAGE", "BREAKFAST SAUSAGE/SANDWICHES", "FROZEN MEAT",
            "HEAT/SERVE", "HOT DOGS", "LUNCHMEAT", "MEAT - MISC")),
    Family("seafood", "Seafood", "海产", ("SEAFOOD - FROZEN", "SEAFOOD-FRESH")),
    Family("deli", "Delicatessen", "熟食",
           ("CHEESES", "SALADS/DIPS", "PREPARED FOOD", "PARTY TRAYS", "CHICKEN/POULTRY", "DELI MEATS")),
    Family("produce", "Fruit and vegetables", "果蔬", ("SALAD MIX", "PROCESSED", "CARROTS")),
    Family("home", "Home, paper goods and leisure", "家居、文具与休闲",
           ("STATIONERY & SCHOOL SUPPLIES", "PLASTIC HOUSEWARES", "HOME FREEZING & CANNING SUPPLY", "BATTERIES",
            "GREETING CARDS/WRAP/PARTY SPLY", "MAGAZINE", "BOOKSTORE", "FILM AND CAMERA PRODUCTS",
            "CHARCOAL AND LIGHTER FLUID", "HARDWARE SUPPLIES", "FLORAL-FRESH CUT")),
)  # fmt: skip

# coupons over very many categories, by the department of most products they cover
WIDE_FAMILIES: dict[str, Family] = {
    "GROCERY": Family("wide-grocery", "Storewide: grocery", "全店：食品杂货", ()),
    "PRODUCE": Family("wide-produce", "Storewide: fruit and vegetables", "全店：果蔬", ()),
    "MEAT": Family("wide-meat", "Storewide: fresh meat", "全店：鲜肉", ()),
    "COSMETICS": Family("wide-beauty", "Storewide: health and beauty", "全店：健康与美容", ()),
    "DRUG GM": Family("wide-beauty", "Storewide: health and beauty", "全店：健康与美容", ()),
}
OTHER = Family("other", "Other products", "其他商品", ())
