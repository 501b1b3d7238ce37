"""Fictional companies for a look around: what each of the two demo accounts sells to.

A row: name | country | postal code (may be missing) | city | street | registration number, when it is a given one,
or `=` for a branch that shares the number of the row before. All other numbers are made up with right check digits.
"""

SWEDISH_ACCOUNT = """\
Björk & Son Måleri AB | SE | 903 26 | Umeå | Verkstadsgatan 14 | 559987-1018
Havsvik Konsult AB | SE | 392 31 | Kalmar | Skeppsbrogatan 3 | 559987-2024
Lindgrens Rör i Umeå AB | SE | 904 21 | Umeå | Industrivägen 8 | 559987-3030
Ängsholms Trädgård & Mark AB | SE | 224 60 | Lund | Ängsholmsvägen 21 |
Tallåsens Byggnadsvård AB | SE | 831 34 | Östersund | Rådhusgatan 55 |
Åkervinda Redovisning AB | SE | 111 22 | Stockholm | Klarabergsgatan 29 |
Granitvikens Stenhuggeri AB | SE | 456 31 | Kungshamn | Hamngatan 4 |
Norrskensbageriet i Kiruna AB | SE | 981 31 | Kiruna | Lars Janssonsgatan 12 |
Norrskensbageriet i Kiruna AB, filial Gällivare | SE | 982 31 | Gällivare | Storgatan 16 | =
Söderlyckans Förskola Ekonomisk förening | SE | 118 26 | Stockholm | Hornsgatan 103 |
Västerhamns Skeppshandel och Båtvarv på Orust Aktiebolag | SE | 474 70 | Mollösund | Kyrkvägen 2 |
Kvistabo Lantbruk | SE | | Skänninge | Kvistabo gård | 811218-9876
Mälarstrand Fastighetsförvaltning och Fastighetsutveckling i Västerås AB | SE | 722 12 | Västerås | Östra Hamngatan 18 |
Rosendals Cykelverkstad HB | SE | 752 20 | Uppsala | Dragarbrunnsgatan 40 |
Glimminge Glasögon AB | SE | 271 39 | Ystad | Stora Östergatan 7 |
Hallonbackens Handelsträdgård AB | SE | | Mariestad | Hallonbacken 1 |
Solgårda Energiteknik AB | SE | 581 10 | Linköping | Teknikringen 6 |
Solgårda Energiteknik AB, kontoret i Norrköping | SE | 602 24 | Norrköping | Drottninggatan 33 | =
Brovakten Säkerhet AB | SE | 411 05 | Göteborg | Kungsgatan 48 |
Fyrklöverns Tandvård AB | SE | 252 20 | Helsingborg | Södra Storgatan 11 |
Öresundsglimt Event AB | SE | 211 20 | Malmö | Skeppsbron 9 |
Dalhästens Snickeri AB | SE | 792 30 | Mora | Vasagatan 27 |
Ekolinjens Åkeri AB | SE | 553 16 | Jönköping | Barnarpsgatan 41 |
Visby Murgröna Hotell AB | SE | 621 55 | Visby | Strandgatan 34 |
Pepparrotens Kök & Catering AB | SE | 702 10 | Örebro | Köpmangatan 15 |
Ljusterö Tak & Plåt AB | SE | 184 95 | Ljusterö | Mellansjö 5 |
Stenkumla Data AB | SE | 632 20 | Eskilstuna | Fristadstorget 2 |
Vindrosens Segelmakeri AB | SE | 371 32 | Karlskrona | Borgmästaregatan 13 |
Årstidernas Blomster i Gävle AB | SE | 803 20 | Gävle | Drottninggatan 22 |
Nordanvindens Skoluniform, Yrkeskläder & Profilreklam AB | SE | 972 31 | Luleå | Storgatan 38 |
Torpaskogens Sågverk AB | SE | | Tranemo | Sågvägen 3 |
Eva Lundmark | SE | 852 30 | Sundsvall | Esplanaden 17 | 670919-9530
Lysekullens Fiskrökeri AB | SE | 453 30 | Lysekil | Rosviksgatan 6 |
Bergtagen Friluft AB | SE | 830 13 | Åre | Årevägen 78 |
Fjordblikk Rekneskap AS | NO | 6856 | Sogndal | Fjøravegen 12 |
Havgløtt Bygg AS | NO | 4612 | Kristiansand | Dronningens gate 45 |
Saaristomeren Venepalvelu Oy | FI | 20100 | Turku | Linnankatu 38 |
Kuusikallion Puutyö Oy | FI | 33100 | Tampere | Hämeenkatu 9 |
Klitgårdens Møbler ApS | DK | 9990 | Skagen | Sankt Laurentii Vej 52 |
Åløkke Murerfirma ApS | DK | 5000 | Odense | Vestergade 61 |
"""

NORWEGIAN_ACCOUNT = """\
Nordlysbakeriet Tromsø AS | NO | 9008 | Tromsø | Storgata 92 |
Nordlysbakeriet Tromsø AS avd. Harstad | NO | 9405 | Harstad | Strandgata 7 | =
Øyblikk Foto AS | NO | 6509 | Kristiansund | Kaibakken 3 |
Åsgrend Regnskap AS | NO | 0159 | Oslo | Kirkegata 24 |
Fjellbekken Rørservice AS | NO | 2615 | Lillehammer | Storgata 56 |
Skarvholmen Sjømat AS | NO | 8300 | Svolvær | Torget 15 |
Bryggekanten Interiør AS | NO | 5003 | Bergen | Strandgaten 18 |
Tindeblikk Turistservice og Fjellguiding i Jotunheimen Ansvarlig Selskap | NO | 2686 | Lom | Sognefjellsvegen 17 |
Lyngmo Elektro AS | NO | 7011 | Trondheim | Kongens gate 60 |
Granstua Snekkeri ENK | NO | | Elverum | Granstuvegen 4 |
Havnegløtt Eiendom AS | NO | 4006 | Stavanger | Kirkegata 9 |
Sølvpilen Transport AS | NO | 3044 | Drammen | Tollbugata 42 |
Kveldsro Blomster AS | NO | 1607 | Fredrikstad | Nygaardsgata 30 |
Vårsol Barnehage AS | NO | 4611 | Kristiansand | Markens gate 11 |
Isbreen Sportsutstyr AS | NO | 6863 | Leikanger | Eikavegen 2 |
Trollstua Reklamebyrå AS | NO | 6002 | Ålesund | Kongens gate 16 |
Midnattssol Bilverksted AS | NO | 8006 | Bodø | Sjøgata 21 |
Midnattssol Bilverksted AS avd. Fauske | NO | 8200 | Fauske | Storgata 80 | =
Hvalgrunnen Dykk AS | NO | 8480 | Andenes | Hamnegata 1 |
Furumoen Trelast AS | NO | | Kongsvinger | Furumovegen 33 |
Kystlinja Havbruksteknologi og Maritime Installasjoner AS | NO | 7800 | Namsos | Havnegata 5 |
Rognebær Catering AS | NO | 3717 | Skien | Henrik Ibsens gate 8 |
Lynglia Tannklinikk AS | NO | 1383 | Asker | Strøket 12 |
Søndre Bekk Advokatfirma AS | NO | 3110 | Tønsberg | Storgaten 38 |
Måneskinn Renhold AS | NO | 1706 | Sarpsborg | St. Marie gate 95 |
Vesterdal Maskin AS | NO | 6800 | Førde | Hafstadvegen 25 |
Ravnedalen Musikk AS | NO | 4614 | Kristiansand | Kristian IVs gate 14 |
Kong Vinter Brøyting DA | NO | | Røros | Kjerkgata 19 |
Blåklokka Frisør AS | NO | 2317 | Hamar | Torggata 6 |
Steinrøysa Anlegg AS | NO | 3611 | Kongsberg | Nymoens torg 4 |
Polarnatt Programvare AS | NO | 7010 | Trondheim | Olav Tryggvasons gate 27 |
Hagebris Hagesenter AS | NO | 4306 | Sandnes | Langgata 50 |
Gullregn Gartneri AS | NO | 3210 | Sandefjord | Kongens gate 2 |
Ørnereiret Arkitekter AS | NO | 5014 | Bergen | Vaskerelven 39 |
Kvarnåns Kraft AB | SE | 931 31 | Skellefteå | Nygatan 44 |
Ödlebäckens Plast AB | SE | 331 41 | Värnamo | Storgatsbacken 10 |
Revontulten Matkailu Oy | FI | 96200 | Rovaniemi | Koskikatu 25 |
Meritähden Kahvila Oy | FI | 00100 | Helsinki | Mannerheimintie 20 |
Nordstjernens Kaffe ApS | DK | 8000 | Aarhus | Åboulevarden 33 |
Bølgebryderens Is og Kølingsteknik for Restauranter ApS | DK | 6700 | Esbjerg | Kongensgade 71 |
"""

FIRST_NAMES = [
    "Anna",
    "Erik",
    "Ingrid",
    "Lars",
    "Sofia",
    "Ola",
    "Märta",
    "Håkon",
    "Elin",
    "Jussi",
    "Åsa",
    "Søren",
    "Kari",
    "Nils",
    "Helmi",
    "Bo",
    "Liv",
    "Mats",
    "Tuva",
    "Pekka",
    "Freja",
    "Göran",
    "Siri",
    "Henrik",
    "Maj",
    "Aino",
    "Tor",
    "Ebba",
    "Jens",
    "Ylva",
]
LAST_NAMES = [
    "Ek",
    "Lindgren",
    "Berg",
    "Nygård",
    "Holm",
    "Solberg",
    "Virtanen",
    "Åkesson",
    "Dahl",
    "Sørensen",
    "Björk",
    "Haugen",
    "Lund",
    "Mäkinen",
    "Öberg",
    "Strand",
    "Vik",
    "Nyström",
    "Rønning",
    "Kallio",
    "Sjögren",
    "Moe",
    "Falk",
    "Tveit",
    "Hedman",
    "Østby",
    "Wallin",
]
TITLES = ("Managing director", "Finance manager", "Purchasing", "Project manager", "Office manager", "")
