/* calibration_texts.c - short texts of many kinds, written for this purpose: what a model reads in
 * daily use, not in any one field. Changing them changes the int8 weights that are packed. */
#include "embed/calibrate.h"

#include <stddef.h>

/* clang-format off */
const char *const lh_embed_calibration_texts[] = {
    "Night shift forklift driver in Chicago with five years of warehouse experience and a "
    "clean record.",
    "Registered nurse, intensive care, available from Monday, willing to move to Dallas or "
    "Houston.",
    "How do I reset the password of an account that has been locked after too many attempts?",
    "The shared library and its headers are installed into separate packages so that servers "
    "need only the first.",
    "A full-text index answers queries by words, a vector index by meaning, and a hybrid "
    "search asks both.",
    "Revenue grew by 14 % in the third quarter, while costs stayed flat at 3.2 million "
    "dollars.",
    "SELECT city, count(*) FROM candidates WHERE status = 'active' GROUP BY city ORDER BY 2 "
    "DESC LIMIT 10;",
    "error: cannot open file \"config.json\": no such file or directory (line 12, column 7)",
    "The patient reports mild pain in the left knee after running; no swelling, normal range "
    "of motion.",
    "cheap flights from Berlin to Lisbon in May",
    "Mix the flour, two eggs and a pinch of salt, then add the milk slowly and let the batter"
    " rest.",
    "What is the difference between a process and a thread?",
    "The parliament voted on Tuesday to extend the agreement for another two years despite "
    "protests.",
    "She opened the door, looked at the rain for a long time, and decided to stay at home "
    "after all.",
    "This contract may be ended by either party with thirty days' written notice.",
    "Kubernetes pod restarts in a loop because its memory limit is too low for the JVM heap.",
    "quarterly report 2023 final version (2).pdf",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "The defendant appealed the decision, and the higher court sent the case back for a new "
    "trial.",
    "Please find attached the invoice no. 2024-0817 for the amount of EUR 1,299.00, due "
    "within 14 days.",
    "Senior accountant with SAP and Excel skills wanted for a family business in Milwaukee, "
    "Wisconsin.",
    "def mean(values): return sum(values) / len(values) if values else None",
    "The old lighthouse keeper told stories of ships that had vanished in the fog a century "
    "ago.",
    "Gradient descent takes small steps against the slope of the loss until it no longer "
    "falls.",
    "Our team lost two to one, but the goalkeeper made several remarkable saves in the second"
    " half.",
    "restaurants near me open on sunday",
    "The volcano erupted for three days and covered the island with a thick layer of grey "
    "ash.",
    "Tools to dump and restore databases, with support for compression and parallel jobs.",
    "My order arrived damaged. I would like a refund or a replacement as soon as possible, "
    "thank you.",
    "In 1969 two people walked on the moon while a third one stayed in orbit.",
    "Python bindings for the image processing library, built for version 3.11.",
    "The bridge is closed for repairs until October; follow the signs to the northern "
    "crossing.",
    "customer called twice about the late delivery, left a message, will call again tomorrow "
    "at 9:30",
    "Whales are mammals that returned to the sea some fifty million years ago.",
    "The recipe asks for 200 g of butter, 150 g of sugar, the juice of a lemon and a little "
    "patience.",
    "Machine operator, second shift, CNC lathe, reads blueprints, certified in lockout and "
    "tagout.",
    "An electron has a negative charge; a proton has a positive one of the same size.",
    "Is it safe to take ibuprofen together with blood pressure medicine?",
    "The committee recommends a lower speed limit in residential areas and near schools.",
    "Weather tomorrow: cloudy, light showers in the west, up to 17 degrees, wind from the "
    "south.",
    "This driver adds support for wireless network cards with the newer chipset; a reboot is "
    "required.",
    "He bought a second-hand guitar, three strings were missing, and learned to play it "
    "anyway.",
    "Interest rates were raised by a quarter of a point to slow inflation.",
    "POST /api/v1/users returned 422: field \"email\" is not a valid address",
    "The museum shows drawings, letters and early photographs from the painter's years in "
    "Paris.",
    "Water boils at a lower temperature on a mountain because the air pressure is lower "
    "there.",
    "Experienced truck driver, class A licence, hazardous materials, home every weekend.",
    "A tree with a hollow trunk gave shelter to owls, bats and, one winter, a very thin cat.",
    "Translate the following sentence into French: where is the nearest train station?",
    "Unit tests should be fast, independent of each other, and fail for one reason only.",
    "The treaty of 1648 ended thirty years of war in central Europe.",
    "yoga mat, non-slip, 6 mm, dark green, with carrying strap",
    "Symptoms include fever, a dry cough, tiredness, and the loss of taste or smell.",
    "To install the package run make build, then copy the binary into your path.",
    "The stock closed at 48.15, down 2.7 percent, after the company cut its forecast for the "
    "year.",
    "Electric cars need fewer repairs, yet their batteries are expensive to replace.",
    "Bilingual customer service representative, Spanish and English, call centre, remote, "
    "part time.",
    "Why is the sky blue and the sunset red?",
    "A hash table finds a key in constant time on average, a balanced tree in logarithmic "
    "time.",
    "The children built a raft of barrels and planks and crossed the lake in an afternoon.",
    "Der Zug nach Hamburg hat heute leider zwanzig Minuten Versp\303\244tung.",
    "La biblioteca est\303\241 cerrada los domingos y los d\303\255as festivos.",
    "Le conseil municipal a approuv\303\251 le budget de l'ann\303\251e prochaine.",
    "Common subexpression elimination and loop unrolling are done before register allocation.",
    "meeting notes: budget approved, hiring paused until Q3, next review on 12 March, owner: "
    "finance",
    "Bees dance to tell the others where the flowers are and how far they have to fly.",
    "The warranty covers defects in material and workmanship for a period of twenty-four "
    "months.",
    "Antibiotics do not help against viruses such as those which cause the common cold.",
    "The last song of the concert was so quiet that nobody dared to clap for a while.",
    "wget: unable to resolve host address; check the name server or the network cable",
    "Zoning laws decide what may be built where, how high, and with how many parking spaces.",
    "Carpenter with own tools, framing and finish work, references available on request.",
    "This library reads and writes compressed archives without keeping the whole file in "
    "memory.",
    "Two trains leave at noon in opposite directions, one at 80 and the other at 60 miles an "
    "hour.",
    "ok",
    "Thank you for your application; unfortunately the position has been filled in the "
    "meantime.",
    "The comet will be visible to the naked eye shortly before sunrise, low above the eastern"
    " horizon.",
    "Prices include tax and shipping within the country; orders above 50 ship free.",
    "Plugin for the text editor that highlights syntax, folds code and completes names.",
    "Dental assistant, X-ray certified, friendly with children, mornings preferred, Portland "
    "area.",
    "The sea level has risen by about twenty centimetres since the year 1900.",
    "best laptop for students under 600 dollars",
    "Her grandmother kept the letters in a tin box under the bed, tied with a blue ribbon.",
    "Backups are kept for thirty days, encrypted, and tested by restoring one of them every "
    "month.",
    "Parents are asked to bring a cake, a salad or drinks to the summer party of the school.",
    "Insulin lets cells take up sugar from the blood; without it the level rises dangerously.",
    "A monopoly sets its price where marginal revenue equals marginal cost.",
    "Maximum file size exceeded: 104857600 bytes, limit 52428800 (see the option "
    "upload.max_size)",
    "The orchestra rehearses in an old factory whose roof leaks whenever it rains.",
    "Warehouse picker needed immediately, scanner experience helpful, steel-toe boots "
    "required.",
    "Runtime files for a small window manager that is driven by the keyboard alone.",
    "This package provides the debugging symbols; install it only if you need a readable "
    "backtrace.",
    "Command line tool that converts between image formats, scales pictures and strips their "
    "metadata.",
    "It supports reading from standard input, writing to pipes, and resuming an interrupted "
    "transfer.",
    "Documentation for the numerical toolbox: manual pages, a tutorial and many small "
    "examples.",
    "A daemon that watches the temperature of the processor and slows the fans when it is "
    "idle.",
    "Games: a puzzle in which coloured blocks fall and lines of one colour disappear.",
    "Header files needed to compile programs against the cryptographic library; static "
    "version included.",
    "Perl module to parse dates written by people, such as \"next Tuesday\" or \"three weeks "
    "ago\".",
    "The server part listens on a socket and hands each connection to a thread of its own.",
    "Fonts for the screen and for print, covering Latin, Greek, Cyrillic and some Arabic "
    "letters.",
    "Client for the chat protocol with encryption, file transfer and a plain text interface.",
    "Simulates the orbits of planets and shows the night sky from any place at any time.",
    "Fast lossless compressor that trades memory for speed; streams can be concatenated.",
    "This is a transitional package; it can be removed safely once nothing depends on it.",
    "Scripts that build a minimal system image for embedded boards from a list of packages.",
    "Wrapper around the system calls for asynchronous input and output, for use in C++ "
    "programs.",
    "Checks spelling in source code comments and ignores identifiers in camel case.",
    "Theme with rounded buttons and dark colours for the desktop and the login screen.",
    "Plays music from a list of internet radio stations and remembers what it has played.",
    "Haskell library of lenses and traversals; profiling version.",
    "Computes phylogenetic trees from aligned protein sequences by maximum likelihood.",
    "Monitors log files and blocks addresses that fail to authenticate several times in a "
    "row.",
    "Virtual file system in user space that mounts archives, remote folders and encrypted "
    "disks.",
    "Editor for musical scores which prints sheets of high quality and exports MIDI.",
    "Converts documents written in a simple markup language into HTML, PDF or slides.",
    "Parser generator that reads a grammar and writes a table-driven parser in several "
    "languages.",
    "Ruby gem that adds authentication, sessions and password recovery to a web application.",
    "Kernel module for the frame grabber; it is compiled on the machine where it is "
    "installed.",
    "Accelerates drawing of polygons by using the graphics processor where one is present.",
    "Plain text accounting: transactions are lines in a file, reports are made on demand.",
    "Front end for the package manager that shows what an upgrade would change before it is "
    "done.",
    "Reads sensors over a serial line, averages the values and stores them in a round-robin "
    "database.",
    "Implements the standard interface for parallel programs which exchange messages between "
    "nodes.",
    "Localisation files in Polish, Czech, Hungarian and Romanian for the office suite.",
    "Solves sparse systems of linear equations with direct and iterative methods.",
    "Emulates an eight-bit home computer, including its tape recorder and its two joysticks.",
    "Node.js package that walks through nested objects and replaces values that match a "
    "pattern.",
    "Test suite and benchmarks of the interpreter; not needed to run programs.",
    "Lets unprivileged users run a command as another user after giving their own password.",
    "Tracks changes to files over time, merges the work of several authors and keeps every "
    "version.",
    "Geographic data: borders, rivers and roads in a coarse resolution for small maps.",
    "Decoder for compressed speech and audio at low bit rates with error concealment.",
    "The common files, such as icons and translations, which are independent of the "
    "architecture.",
    "Example configuration for a mail server that filters spam and checks signatures of "
    "senders.",
    "Interactive shell with completion, history search and hints while you type.",
    "Small library that reads and writes tar archives; the tools for the command line are in "
    "another package.",
    "Development files and static library for a parser of configuration files.",
    "Debugging symbols for the network daemon and its plugins.",
    "This package contains the documentation and the examples in HTML.",
    "Python module for drawing charts, with support for dates, categories and colour maps.",
    "Perl extension that computes checksums of large files without reading them into memory.",
    "Fast compression program with a ratio between that of gzip and that of xz.",
    "Graphical front end for the backup tool, written with Qt, with a tray icon and a "
    "scheduler.",
    "Transitional dummy package; it can be removed once nothing depends on it.",
    "Common files shared by the server and the client: icons, translations and default "
    "settings.",
    "Haskell bindings to a database library, profiling version.",
    "Fonts for scientific texts with mathematical symbols, Greek and Cyrillic letters.",
    "Plugin for the media player that decodes an old audio format.",
    "Ruby gem that validates e-mail addresses and phone numbers of many countries.",
    "Emulator of a home computer of the eighties, with sound, joystick and tape support.",
    "Terminal program that shows which process uses how much of the network.",
    "Node.js module for parsing command line options with sub-commands and defaults.",
    "Java library for reading spreadsheets, API documentation.",
    "Kernel module sources for a wireless card, to be built on the target machine.",
    "Lightweight window manager with tabs, tiling and keyboard shortcuts for everything.",
    "C++ template library for linear algebra: vectors, matrices and numerical solvers.",
    "Command line client of a message queue, with completion for the shell.",
    "Puzzle game in which coloured blocks fall and must be put in rows before they reach the "
    "top.",
    "Dictionary for the spelling checker: Portuguese as written in Brazil.",
    "Simulation of chemical reactions and molecular dynamics on graphics processors.",
    "Daemon that switches the display off when nobody is at the desk, and on again.",
    "Music editor for scores and tablature that can play what was written over MIDI.",
    "Framework for tests of web applications in a real browser without a screen.",
    "Tool to convert, crop and rotate PDF pages, and to join several files into one.",
    "Go package with helpers for reading environment variables into structures.",
    "Statistical methods for survival analysis in R, with plots and model selection.",
    "Lisp compiler that produces standalone programs; runtime and image.",
    "Astronomy program that shows the sky at any time and place, and steers telescopes.",
    "Genome alignment of short reads against a reference, multi-threaded.",
    "Multi-user chat server that keeps history and can be extended by scripts.",
    "Collection of screen savers, among them fractals, clocks and a fish tank.",
    "Geographic information system: layers, projections, raster and vector data.",
    "Mail transport agent with filters against spam and viruses.",
    "Boot loader for embedded boards, and the utilities that write it to flash memory.",
    "Virtual file system that mounts a remote folder over SSH as if it were local.",
    "Bluetooth headphones, noise cancelling, 30 hours of playing time, foldable, black.",
    "Stainless steel water bottle, 750 ml, keeps drinks cold for 24 hours.",
    "Men's running shoes, size 44, light mesh upper and cushioned sole.",
    "Wooden dining table for six with two extension leaves, oak, oiled.",
    "Replacement battery for laptop, 11.4 V, 4,200 mAh, with screwdriver.",
    "Organic green tea from Japan, 100 g, first harvest.",
    "The room was clean, but the street outside was loud all night and breakfast ended at nine.",
    "Great camera for the price, although the zoom is slow and the manual is useless.",
    "I ordered two and received one; customer service never answered my three messages.",
    "Best pizza in town, go early because there is no place left after seven.",
    "How long do I have to boil an egg until the yolk is firm?",
    "Why does my cat scratch the sofa and not the post we bought for her?",
    "Which vaccines are needed before a journey to Kenya?",
    "Can I deduct the cost of a home office if I work there two days a week?",
    "what time does the last train to the airport leave on sunday",
    "is it safe to eat rice that was left out overnight",
    "difference between mutex and semaphore with example",
    "average rent two bedroom flat Vienna 2024",
    "Convert a list of dictionaries to a CSV file in Python without external modules.",
    "Segmentation fault when calling free on a pointer that was returned by realloc.",
    "The query takes 40 seconds because the planner chooses a nested loop instead of a hash "
    "join.",
    "Add retry with exponential backoff to the upload client and log the number of attempts.",
    "Fix race between shutdown and the timer callback; the handle was used after it had been "
    "closed.",
    "The build fails on ARM since the header uses an instruction that only x86 has.",
    "Users cannot sign in after the certificate was renewed; the old chain is still cached.",
    "Warehouse associate: picking, packing, scanner, night shifts, forklift licence class C.",
    "Licensed practical nurse with eight years in geriatric care, CPR certified, bilingual.",
    "Senior accountant, month-end closing, SAP, audits, team of four.",
    "Welder, MIG and TIG, reads blueprints, available immediately, own tools.",
    "Java developer, Spring, PostgreSQL, ten years, remote only, salary expectation 85,000.",
    "Electrician for industrial plants, shift work, travel up to 30 percent.",
    "Customer support agent, English and Spanish, worked with Zendesk, friendly on the phone.",
    "The candidate moved from retail to logistics and led a crew of twelve during the peak "
    "season.",
    "Placement ended after three weeks because the client closed the site.",
    "The committee reviewed the budget and asked the department for a plan by the end of June.",
    "Shares fell by six percent after the company lowered its forecast for the year.",
    "Rain is expected in the north tomorrow, with gusts of up to 80 km/h along the coast.",
    "The home team won by three goals to one after a weak first half.",
    "Police asked witnesses of the accident at the crossing to call the number below.",
    "The museum shows paintings of the seventeenth century until the end of March.",
    "Scientists found water ice in craters near the pole of the moon.",
    "Inflation slowed to 2.4 percent, the lowest value since the autumn of 2021.",
    "Patients with a history of heart disease should take the medicine only under supervision.",
    "The enzyme cuts the protein at two sites and loses its activity above 60 degrees.",
    "We propose a method that learns from few labelled examples and compare it with four "
    "baselines.",
    "The samples were heated to 900 K for two hours and cooled slowly in argon.",
    "Low interest rates raise the demand for housing, which in turn raises prices.",
    "The treaty was signed in 1648 and ended thirty years of war.",
    "Born in a village near Krakow, she studied medicine in Paris and worked as a surgeon.",
    "The river rises in the mountains, flows through three countries and ends in a wide delta.",
    "A prime number has no divisors other than one and itself.",
    "Bake for 25 minutes at 180 degrees until the top is golden, then let it cool on a rack.",
    "Fry the onions in butter, add garlic and tomatoes, season with salt, pepper and basil.",
    "He laughed, put the letter back into the drawer and never spoke of it again.",
    "The old man had fished alone for many days without taking anything home.",
    "Dear Ms. Novak, thank you for your application; we would like to invite you to an "
    "interview.",
    "Reminder: the meeting moves from room 204 to room 311, same time, please bring your badge.",
    "Hi all, the deployment is done, please check your dashboards and tell me if anything "
    "looks odd.",
    "The tenant shall pay the rent in advance on the first working day of each month.",
    "No liability is accepted for damage caused by improper use of the product.",
    "Section 4.2: The supplier delivers within ten days of receipt of the order.",
    "Turn off the power, remove the four screws and lift the cover before you replace the fan.",
    "Press and hold the button for five seconds until the light blinks green.",
    "Error 1062: duplicate entry for key PRIMARY",
    "WARN disk usage of /var at 91 percent, cleaning old logs",
    "GET /api/v2/orders?status=open&limit=50 returned 503 after 30 s",
    "CVE: buffer overflow in the image decoder allows remote attackers to run code.",
    "Suspicious login from a new device in another country, blocked by policy.",
    "Blood pressure 140/90, heart rate 72, no fever, follow-up in two weeks.",
    "MRI of the lumbar spine shows a small disc protrusion at L4/L5.",
    "Invoice paid twice, refund of 149.90 requested on 3 May.",
    "The shipment left the port of Rotterdam and is expected in Boston in nine days.",
    "Flight LH 431 delayed by 50 minutes, new gate B12.",
    "The course covers supervised learning, neural networks and the evaluation of models.",
    "Homework: read chapter seven and answer questions one to five.",
    "Guitar lessons for beginners, any age, first lesson free.",
    "Used bicycle, 28 inch, new brakes, small scratches on the frame, 120 euros.",
    "Sunny two-room apartment with balcony, fourth floor, lift, close to the park.",
    "Volunteers wanted to plant trees along the canal on Saturday morning.",
    "The band plays jazz standards and songs of their own on Friday at eight.",
    "Chess opening in which white gives up a pawn for quick development.",
    "The planet turns once in ten hours and has more than eighty moons.",
    "Store in a cool dry place; use within three days of opening.",
    "Ingredients: wheat flour, sugar, palm oil, cocoa, milk powder, salt, may contain nuts.",
    "Click on the link in the e-mail to confirm your address.",
    "Your password must have at least twelve characters, one of them a digit.",
    NULL};
/* clang-format on */
