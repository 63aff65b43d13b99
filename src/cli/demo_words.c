/* cli/demo_words.c - roles, cities and names. To add a role: its lists and a row in
 * lh_demo_roles. */
#include "cli/demo_words.h"

#include "base/attr.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* clang-format off */
const lh_demo_role lh_demo_roles[] = {
    {"forklift_operator", LIST("forklift operator", "forklift driver", "lift truck operator", "reach truck driver"),
     LIST("sit-down forklift", "reach truck", "order picker", "RF scanner", "dock loading", "pallet jack"),
     LIST("drove sit-down and stand-up forklifts across three aisles of racking", "loaded and unloaded trailers at a busy dock", "moved pallets to the right bay with a reach truck", "checked the lift truck before each shift and reported leaks", "staged outbound freight with an RF scanner", "stacked pallets four high without damage"),
     LIST("OSHA forklift certificate", "powered industrial truck licence"), "a distribution warehouse", 10},
    {"warehouse_picker", LIST("warehouse picker", "order selector", "pick and pack associate"),
     LIST("order picking", "packing", "cycle counting", "RF scanner", "labeling", "inventory"),
     LIST("picked orders by voice headset at 140 lines an hour", "packed small parcels and sealed cartons", "counted stock every week and settled differences", "replenished pick faces from bulk storage", "labeled cartons for the carrier", "kept the pick line clean and moving"),
     LIST("warehouse safety course"), "an e-commerce fulfilment centre", 12},
    {"truck_driver", LIST("truck driver", "CDL driver", "long-haul driver", "delivery driver"),
     LIST("CDL class A", "route planning", "electronic logs", "tarping", "backing", "DOT inspections"),
     LIST("hauled dry van freight over eleven states", "kept electronic logs without a violation", "delivered to forty stops a week on a local route", "inspected tractor and trailer before leaving the yard", "secured flatbed loads with chains and tarps"),
     LIST("CDL class A", "hazmat endorsement", "tanker endorsement"), "a trucking company", 8},
    {"registered_nurse", LIST("registered nurse", "RN", "charge nurse", "floor nurse"),
     LIST("patient assessment", "IV therapy", "medication administration", "Epic charting", "triage", "wound care"),
     LIST("cared for six patients on a medical-surgical unit", "started IV lines and gave medication", "charted every round in the electronic record", "taught families how to dress wounds at home", "led the night team of four nurses and two aides"),
     LIST("RN licence", "BLS", "ACLS"), "a community hospital", 8},
    {"home_health_aide", LIST("home health aide", "caregiver", "personal care assistant"),
     LIST("bathing", "meal preparation", "mobility support", "vital signs", "companionship"),
     LIST("helped elderly clients to bathe, dress and eat", "took blood pressure and wrote it down for the nurse", "lifted clients safely from bed to wheelchair", "cooked low-salt meals and kept the kitchen clean", "drove clients to the doctor"),
     LIST("HHA certificate", "CPR"), "private homes", 7},
    {"software_developer", LIST("software developer", "backend engineer", "programmer", "full-stack developer"),
     LIST("Python", "Java", "PostgreSQL", "REST APIs", "Docker", "code review"),
     LIST("wrote services in Java and Python that answer millions of requests", "moved a monolith to small services", "designed database schemas and tuned slow queries", "reviewed code and mentored two juniors", "automated tests and deployments"),
     LIST("AWS developer certificate"), "a software house", 6},
    {"data_analyst", LIST("data analyst", "reporting analyst", "business intelligence analyst"),
     LIST("SQL", "Excel", "Power BI", "Tableau", "statistics", "dashboards"),
     LIST("built dashboards that managers open every morning", "wrote SQL against a warehouse of sales data", "cleaned messy spreadsheets and explained what they hide", "ran A/B tests and reported what they mean", "forecast demand for the next quarter"),
     LIST("Power BI certificate"), "an insurance company", 4},
    {"accountant", LIST("accountant", "staff accountant", "bookkeeper"),
     LIST("general ledger", "QuickBooks", "accounts payable", "month-end close", "reconciliation", "payroll"),
     LIST("closed the books every month within four days", "matched invoices, receipts and purchase orders", "reconciled nine bank accounts", "prepared sales tax returns", "ran payroll for eighty people"),
     LIST("CPA", "QuickBooks certificate"), "an accounting office", 5},
    {"electrician", LIST("electrician", "journeyman electrician", "industrial electrician"),
     LIST("conduit bending", "motor controls", "NEC code", "panel wiring", "troubleshooting", "blueprints"),
     LIST("bent conduit and pulled wire in commercial buildings", "wired panels and motor starters", "found faults in three-phase machines", "read blueprints and kept to the code", "installed lighting in a new clinic"),
     LIST("journeyman licence", "OSHA 30"), "construction sites", 4},
    {"welder", LIST("welder", "MIG welder", "TIG welder", "fabricator"),
     LIST("MIG", "TIG", "stick welding", "blueprint reading", "grinding", "plasma cutting"),
     LIST("welded stainless tanks with TIG to food grade", "joined structural steel with MIG and flux core", "cut plate with plasma and ground the edges", "read drawings and set up jigs", "passed X-ray tests on pipe welds"),
     LIST("AWS D1.1 certificate", "6G pipe certificate"), "a fabrication shop", 4},
    {"machine_operator", LIST("machine operator", "CNC operator", "production operator"),
     LIST("CNC lathe", "micrometer", "set-up", "quality checks", "lean manufacturing"),
     LIST("set up and ran CNC lathes in two shifts", "measured parts with micrometer and gauge", "changed tools and cleared jams", "kept scrap below one percent", "filled in production sheets each hour"),
     LIST("NIMS certificate"), "a machine shop", 7},
    {"assembler", LIST("assembler", "assembly line worker", "electronics assembler"),
     LIST("soldering", "hand tools", "torque wrench", "work instructions", "ESD handling"),
     LIST("put together gearboxes by work instruction", "soldered boards under a microscope", "torqued bolts and marked them", "tested finished units before packing", "rotated through five stations of the line"),
     LIST("IPC-610 certificate"), "an assembly plant", 8},
    {"line_cook", LIST("line cook", "cook", "grill cook", "prep cook"),
     LIST("grill", "knife skills", "food safety", "sauces", "inventory", "plating"),
     LIST("ran the grill on Friday nights with 300 covers", "prepared sauces and stocks each morning", "kept the station clean and labeled", "checked deliveries of meat and fish", "trained two new cooks"),
     LIST("ServSafe"), "a restaurant kitchen", 8},
    {"server_waiter", LIST("server", "waiter", "waitress", "banquet server"),
     LIST("table service", "POS", "wine service", "upselling", "banquets"),
     LIST("served eight tables at a time in a steak house", "carried plates at banquets for 400 guests", "took orders on a handheld POS", "opened and poured wine", "settled complaints with a smile"),
     LIST("alcohol service permit"), "restaurants and hotels", 6},
    {"receptionist", LIST("receptionist", "front desk clerk", "office assistant"),
     LIST("phones", "scheduling", "Outlook", "greeting visitors", "filing", "data entry"),
     LIST("answered a switchboard of twelve lines", "greeted visitors and printed their badges", "kept the calendars of three partners", "sorted mail and ordered supplies", "typed letters and minutes"),
     LIST("typing test 70 wpm"), "a law office", 6},
    {"customer_service", LIST("customer service representative", "call center agent", "support agent"),
     LIST("inbound calls", "Zendesk", "de-escalation", "order entry", "Spanish"),
     LIST("answered eighty calls a day about orders and returns", "calmed angry callers and found solutions", "entered orders and credits", "wrote answers for the help pages", "reached a satisfaction score of 94 percent"),
     LIST("customer care course"), "a call center", 10},
    {"sales_representative", LIST("sales representative", "account executive", "inside sales rep"),
     LIST("cold calling", "Salesforce", "negotiation", "quotes", "pipeline"),
     LIST("opened forty new accounts in a year", "made sixty cold calls a day", "kept the pipeline clean in Salesforce", "negotiated yearly contracts", "beat quota in six of eight quarters"),
     LIST("sales training"), "a wholesale company", 6},
    {"recruiter", LIST("recruiter", "talent acquisition specialist", "staffing coordinator"),
     LIST("sourcing", "interviewing", "job boards", "onboarding", "applicant tracking"),
     LIST("filled thirty light industrial orders a week", "interviewed candidates by phone and in person", "checked references and papers", "wrote job ads that people answer", "kept in touch with temps on assignment"),
     LIST("SHRM-CP"), "a staffing agency", 3},
    {"janitor", LIST("janitor", "custodian", "cleaner", "housekeeper"),
     LIST("floor care", "buffing", "restroom sanitation", "waste removal", "chemicals"),
     LIST("cleaned offices over four floors each evening", "stripped and waxed floors", "emptied bins and sorted recycling", "disinfected restrooms", "locked up and set the alarm"),
     LIST("bloodborne pathogens course"), "office buildings", 7},
    {"security_guard", LIST("security guard", "security officer", "patrol officer"),
     LIST("patrol", "access control", "CCTV", "incident reports", "first aid"),
     LIST("patrolled a plant at night on foot and by car", "checked badges at the gate", "watched forty cameras", "wrote reports about incidents", "guided visitors and ambulances"),
     LIST("guard card", "first aid"), "a gated plant", 5},
    {"teacher_aide", LIST("teacher aide", "classroom assistant", "paraprofessional"),
     LIST("classroom support", "reading groups", "behavior support", "lesson preparation"),
     LIST("read with small groups of second graders", "helped a child with autism through the day", "prepared lessons and copied worksheets", "watched the playground", "talked with parents after school"),
     LIST("paraprofessional certificate"), "an elementary school", 4},
    {"carpenter", LIST("carpenter", "framing carpenter", "finish carpenter"),
     LIST("framing", "trim", "cabinets", "power tools", "blueprints"),
     LIST("framed houses from sill to ridge", "hung doors and set trim", "built cabinets to measure", "read plans and ordered lumber", "poured and finished small slabs"),
     LIST("OSHA 10"), "building sites", 4},
    {"hvac_technician", LIST("HVAC technician", "refrigeration mechanic", "air conditioning installer"),
     LIST("refrigerant handling", "furnaces", "ductwork", "brazing", "diagnostics"),
     LIST("serviced rooftop units and furnaces", "brazed copper lines and charged systems", "hung duct in new buildings", "found leaks and replaced compressors", "was on call every third weekend"),
     LIST("EPA 608"), "service routes", 3},
    {"pharmacy_technician", LIST("pharmacy technician", "pharmacy assistant"),
     LIST("prescriptions", "insurance claims", "compounding", "inventory", "counting"),
     LIST("filled 250 prescriptions a day", "called insurers about rejected claims", "counted controlled drugs twice", "helped customers at the window", "mixed creams by the pharmacist's sheet"),
     LIST("PTCB certificate"), "a retail pharmacy", 3},
};
const size_t lh_demo_roles_count = LH_ARRAY_LEN(lh_demo_roles);

const lh_demo_city lh_demo_cities[] = {
    {"Chicago", "IL", "on the South Side of Chicago", 20}, {"Cicero", "IL", "just west of Chicago", 5},
    {"Joliet", "IL", "southwest of Chicago", 6}, {"Aurora", "IL", "west of Chicago", 5},
    {"Elgin", "IL", "northwest of Chicago", 3}, {"Gary", "IN", "by the lake near Chicago", 3},
    {"Indianapolis", "IN", "in central Indiana", 8}, {"Milwaukee", "WI", "on Lake Michigan", 7},
    {"Columbus", "OH", "in central Ohio", 8}, {"Cleveland", "OH", "on Lake Erie", 5},
    {"Detroit", "MI", "in Metro Detroit", 7}, {"Houston", "TX", "along the Ship Channel", 12},
    {"Dallas", "TX", "in the Metroplex", 11}, {"San Antonio", "TX", "in south Texas", 6},
    {"Phoenix", "AZ", "in the Valley", 8}, {"Los Angeles", "CA", "in LA County", 12},
    {"Riverside", "CA", "in the Inland Empire", 6}, {"Atlanta", "GA", "inside the Perimeter", 9},
    {"Memphis", "TN", "near the airport hub", 6}, {"Louisville", "KY", "along the Ohio River", 4},
    {"Newark", "NJ", "near the port", 6}, {"Allentown", "PA", "in the Lehigh Valley", 4},
    {"Philadelphia", "PA", "in the Delaware Valley", 7}, {"Seattle", "WA", "on Puget Sound", 5},
    {"Portland", "OR", "by the Columbia River", 4}, {"Denver", "CO", "along the Front Range", 5},
    {"Kansas City", "MO", "at the state line", 5}, {"St. Louis", "MO", "in the Metro East area", 5},
    {"Charlotte", "NC", "in the Piedmont", 5}, {"Jacksonville", "FL", "on the First Coast", 4},
    {"Miami", "FL", "in Dade County", 6}, {"Ca\xc3\xb1on City", "CO", "by the Royal Gorge", 1},
};
const size_t lh_demo_cities_count = LH_ARRAY_LEN(lh_demo_cities);

const char *const lh_demo_first_names[] = {
    "James", "Maria", "Robert", "Patricia", "Michael", "Linda", "David", "Jennifer", "Jos\xc3\xa9", "Elena", "Wei", "Aisha",
    "Carlos", "Fatima", "John", "Susan", "Daniel", "Karen", "Luis", "Nancy", "Anthony", "Betty", "Kevin", "Sandra",
    "Brian", "Ashley", "Jorge", "Donna", "Omar", "Emily", "Zo\xc3\xab", "Michelle", "Ren\xc3\xa9" "e", "Laura", "Bj\xc3\xb6rn", "Sarah",
    "Tyrone", "Kimberly", "DeShawn", "Deborah", "Marcus", "Jessica", "Andre", "Lisa", "Hiroshi", "Angela", "Nguyen", "Melissa",
    "Pedro", "Brenda", "Ivan", "Amy", "Ahmed", "Anna", "Siobh\xc3\xa1n", "Rebecca", "Fran\xc3\xa7ois", "Virginia", "Juan", "Kathleen",
    "\xc5\x81ukasz", "Pamela", "Raj", "Martha"};
const size_t lh_demo_first_names_count = LH_ARRAY_LEN(lh_demo_first_names);
const char *const lh_demo_last_names[] = {
    "Smith", "Johnson", "Williams", "Brown", "Jones", "Garcia", "Miller", "Davis", "Rodriguez", "Martinez", "Hernandez", "Lopez",
    "Gonzalez", "Wilson", "Anderson", "Thomas", "Taylor", "Moore", "Jackson", "Martin", "Lee", "Perez", "Thompson", "White",
    "Harris", "Sanchez", "Clark", "Ramirez", "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott",
    "Torres", "Nguyen", "Hill", "Flores", "Green", "Adams", "Nelson", "Baker", "Hall", "Rivera", "Campbell", "Mitchell",
    "O'Brien", "Mu\xc3\xb1oz", "M\xc3\xbcller", "Kowalski", "Nov\xc3\xa1k", "Okafor", "Patel", "Kim", "Van der Berg", "D'Angelo", "Yamamoto", "Haddad",
    "S\xc3\xb8rensen", "Dubois", "Ivanov", "Smith-Jones"};
const size_t lh_demo_last_names_count = LH_ARRAY_LEN(lh_demo_last_names);
const char *const lh_demo_company_heads[] = {
    "Lakeshore", "Prairie", "Blue Ridge", "Summit", "Keystone", "Ironwood", "Harbor", "Silver Creek", "Red Oak", "Northgate",
    "Gateway", "Stonebridge", "Cedar", "Maple Leaf", "Evergreen", "Cornerstone", "Riverbend", "Highland", "Pioneer", "Beacon"};
const size_t lh_demo_company_heads_count = LH_ARRAY_LEN(lh_demo_company_heads);
const char *const lh_demo_company_tails[] = {
    "Logistics", "Foods", "Medical Center", "Manufacturing", "Distribution, Inc.", "Builders", "Software", "Hotels", "Freight",
    "Packaging", "Health Partners", "Insurance Group", "Metals", "Schools", "Retail", "Care \"Plus\""};
const size_t lh_demo_company_tails_count = LH_ARRAY_LEN(lh_demo_company_tails);
/* clang-format on */
