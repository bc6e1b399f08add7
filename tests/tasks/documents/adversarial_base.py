"""Seven written documents to attack the verifier with: lease, filing, manual, policy, supply contract, study, bond circular; sentences and tables.

Written for these tests, with what makes verifying hard: conditions, hedges, exceptions, lists under "shall not", roles that can be swapped, figures
in many forms, periods, names that are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bakeoff.tasks.documents.records import Block, Cell, Page, Span, Table

LEASE = """The Landlord leases the Premises to the Tenant for a term of ten (10) years beginning on January 1, 2021.
The Tenant shall pay the Landlord a monthly rent of $12,500 on or before the fifth day of each month.
If the rent is not paid within ten days after it is due, the Tenant shall pay a late charge of 4% of the overdue amount.
The Tenant shall not assign this Lease or sublet the Premises without the prior written consent of the Landlord.
The Landlord may enter the Premises at reasonable times to inspect them, provided that it gives the Tenant at least 24 hours' notice.
The security deposit of $37,500 must be returned to the Tenant within thirty (30) days after the end of the term, less any unpaid rent.
Either party may terminate this Lease upon ninety (90) days' written notice, except during the first three years of the term.
The Tenant is responsible for all repairs other than repairs to the roof, the foundation and the outer walls.
However, the Landlord must repair the heating system (the "System") at its own expense.
The Tenant may use the parking lot only between 7:00 a.m. and 8:00 p.m. on business days.
Smoking is prohibited in all parts of the building except the designated area on the third floor.
The Tenant shall maintain liability insurance of not less than $2 million for each occurrence.
In no event is the Landlord liable for loss of profits of the Tenant.
The rent increases by 3% on each anniversary of the commencement date.
Unless the Tenant objects in writing within 14 days, the statement of operating expenses is deemed accepted.
The Tenant has an option to renew the term for two further periods of five years each.
The option to renew lapses if the Tenant is in default when the option is exercised.
Hartwell Properties LLC assigned its interest in the Lease to Brenner Realty Trust on 15 March 2023.
Brenner Realty Trust has not released the guarantor from its obligations.
The guarantor, Oakdale Foods Inc., guarantees up to $150,000 of the Tenant's obligations.
The Premises consist of approximately 4,800 square feet on the second floor of 118 Canal Street.
Alterations that cost more than $5,000 require the Landlord's approval.
The Tenant may install signs if the Landlord approves their size and design.
Any holding over without consent is charged at 150% of the last monthly rent.
The Landlord did not make any representation about the zoning of the Premises.
Notices to the Tenant are sent to the address stated in Section 14.2 and not to the Premises.
The Tenant shall surrender the Premises in good condition, reasonable wear and tear excepted.
No pets are allowed in the Premises, with the exception of service animals.
Payments are applied first to late charges, then to interest, and last to rent.
This Lease is governed by the laws of the State of Oregon."""

FILING = """In 2022, net revenue increased 8% to $86.4 billion.
Operating profit decreased 12% to $11.5 billion in 2022.
In fiscal 2023, the Company repurchased 4.2 million shares at an average price of $61.30.
Net sales in Europe declined 3% in 2022, while net sales in Asia grew 11%.
In addition, the effective tax rate fell from 21.4% in 2021 to 16.1% in 2022.
Gross margin improved from 41.2% to 43.7%, primarily due to higher prices and a better product mix.
The Company recorded an impairment charge of $1.4 billion in 2022.
We expect capital expenditures of approximately $650 million in 2024.
The Company does not expect the new standard to have a material effect on its financial statements.
Cash and cash equivalents amounted to $4,954 million as of December 31, 2022.
As of December 31, 2022, total debt was $39.1 billion.
Meridian Snacks Company acquired Tallow Creek Foods for $320 million in cash.
Tallow Creek Foods had revenue of $95 million in the year before the acquisition.
The acquisition of Tallow Creek Foods closed on April 4, 2022.
The Company sold its juice business to Perrin Capital Partners for $3.3 billion and kept a 39% interest.
No single customer accounted for more than 10% of net revenue, except Walden Stores, which accounted for 14%.
Walden Stores is the largest customer of the North America segment.
The board of directors declared a quarterly dividend of $1.15 per share on February 9, 2023.
Dividends were not paid on the preferred shares in 2022.
Interest expense rose by $62 million because of higher average debt balances.
The Company may be required to recognize further losses if market conditions deteriorate.
A hypothetical 10% increase in commodity prices would reduce annual operating profit by about $230 million.
Excluding the impairment charge, operating profit would have increased 2%.
The plaintiffs allege that the Company failed to disclose certain risks.
The Company denies the allegations and intends to defend itself vigorously.
The lawsuit filed by Corvane Industries against Delmar Logistics was settled for $7.5 million in June 2022.
At least 60% of the plastic packaging is recyclable.
Fewer than 200 employees were affected by the closure of the Dayton plant.
Approximately 309,000 people were employed worldwide as of December 31, 2022, of whom about 129,000 worked in the United States.
Sales through distributors were higher than direct sales in each of the three years.
Accounts receivable decreased by $210 million compared with the prior year.
The pension plan was underfunded by $388 million at the end of 2022.
Moreover, inflation increased input costs in all segments other than Latin America.
Foreign exchange reduced net revenue growth by 2.5 percentage points.
The credit facility of $3.8 billion expires in May 2027 and was undrawn at year end.
Research and development expense was $771 million in 2022, $752 million in 2021 and $719 million in 2020.
The remaining performance obligations (excluding contracts of one year or less) were $1.9 billion.
Inventory write-downs (see Note 4) were $48 million in 2022.
The Company's auditor, Farrow & Lind LLP, issued an unqualified opinion.
Our internal control over financial reporting was effective as of December 31, 2022."""

MANUAL = """Disconnect the pump from the mains before you remove the cover.
Do not operate the pump without water, because the seal will be damaged within seconds.
The pump delivers 3,200 litres per hour at a head of 12 metres.
The maximum operating pressure is 6 bar, and the maximum water temperature is 35 °C.
Tighten the four bolts to 25 Nm in a diagonal pattern.
Replace the filter every six months or after 500 operating hours, whichever comes first.
Only a qualified electrician may connect the three-phase motor.
The red lamp lights up when the motor is overloaded, and it goes out when the motor has cooled.
Never use solvents to clean the housing.
If error E17 appears, close the inlet valve and wait at least five minutes before restarting.
The unit weighs 18.5 kg without packaging.
Use hydraulic oil of grade ISO VG 46; other grades void the warranty.
The warranty period is 24 months from the date of purchase.
The warranty does not cover wear parts such as seals and bearings.
Model P-300 has a cast-iron housing, whereas model P-300S has a stainless-steel housing.
The controller switches the pump off when the level falls below 150 mm.
Keep a clearance of at least 300 mm above the motor for ventilation.
The noise level is less than 70 dB(A) at a distance of 1 m.
Store the unit in a dry place at temperatures between 5 °C and 40 °C.
The supply voltage must be 230 V ± 10% at 50 Hz.
Check the oil level daily and change the oil every 2,000 hours.
The thermal switch resets automatically after the motor has cooled down.
Rinse the strainer with clean water, but do not use a wire brush.
The drain plug is located below the inlet flange.
Unlike the previous version, the display cannot be removed."""

POLICY = """All employees must complete the security training within 30 days of joining.
Managers may approve remote work of up to three days per week.
Personal data must not be stored on removable media unless the media are encrypted.
Expenses above EUR 500 require the approval of the finance director.
Receipts are not required for expenses of less than EUR 25.
Some contractors are exempt from the travel policy.
Passwords must have at least 12 characters and must be changed every 180 days.
Employees who report a concern in good faith are protected from retaliation.
The Data Protection Officer, Ms. Elena Marchetti, reports directly to the board.
Gifts worth more than EUR 50 must be declared to the Compliance Office within five working days.
Neither suppliers nor their agents may attend the opening of the bids.
The works council was informed before the policy took effect on 1 July 2022.
Annual leave is 28 days, of which at most 10 days may be carried over.
Overtime is paid only if it was ordered in advance.
Access is revoked on the last working day, without exception.
A second reviewer is needed for every payment over EUR 10,000.
The retention period for invoices is ten years; for job applications it is six months.
Part-time employees receive the same hourly rate as full-time employees.
Travel in business class is allowed on flights of more than six hours.
The policy applies to Nordhaven Group and its subsidiaries, with the exception of Nordhaven Shipping AS.
Incidents shall be reported to the Security Team no later than 72 hours after discovery.
Line managers decide on exceptions, and the HR department records them.
Interns are not entitled to a company car.
Use of the corporate logo by third parties is usually permitted for news reporting.
Most complaints are resolved within two weeks."""

SUPPLY = """The Supplier shall deliver the Goods to the Buyer's warehouse in Rotterdam by 30 September 2024.
Title passes from the Supplier to the Buyer upon payment in full.
The Buyer shall inspect the Goods within five business days and notify the Supplier of any defect.
The Supplier warrants that the Goods are free from defects in material and workmanship for 18 months.
The Supplier's total liability is limited to 100% of the purchase price, except in cases of gross negligence.
If the Supplier is late by more than 20 days, the Buyer may cancel the order.
Liquidated damages accrue at 0.5% of the price per week of delay, up to a maximum of 5%.
Kestrel Components GmbH supplies the control units to Varga Elevators Zrt.
Varga Elevators Zrt. paid Kestrel Components GmbH an advance of EUR 1.2 million on 3 May 2023.
The price is fixed until 31 December 2025 and may be adjusted thereafter.
The Buyer indemnifies the Supplier against claims that arise from the Buyer's specifications.
Neither party is liable for delays caused by force majeure.
The Supplier must not subcontract the manufacture of safety components.
Payment is due 45 days after receipt of the invoice.
The Supplier may increase the price if the price of copper rises above USD 9,500 per tonne.
Disputes are settled by arbitration in Vienna under the ICC rules (the "Rules").
The Buyer orders at least 2,000 and at most 3,500 units in each calendar year.
Confidential information may be disclosed only to employees who need to know it.
The agreement remains in force unless it is terminated with six months' notice.
Spare parts will be available for not less than ten years after the last delivery.
The Buyer's auditors were denied access to the plant in Győr.
The retention of title does not extend to processed goods.
Claims under the warranty expire two years after delivery.
The first delivery was rejected because 112 of 400 units failed the test.
Kestrel Components GmbH terminated the contract before Varga Elevators Zrt. could cure the breach."""

STUDY = """A total of 1,284 patients were enrolled at 37 sites between March 2018 and August 2020.
Mortality at 90 days was 14.2% in the treatment group and 18.9% in the control group.
The difference was not statistically significant after adjustment for age.
Patients with severe renal impairment were excluded.
Serious adverse events occurred in 61 patients who received drelazumab and in 44 patients who received placebo.
The median follow-up was 16.5 months.
Drelazumab was administered at a dose of 5 mg/kg every four weeks.
The dose was reduced to 2.5 mg/kg if platelets fell below 75,000 per microlitre.
No treatment-related deaths were reported.
The effect may be smaller in patients over 75 years of age.
Treatment was stopped in about one third of the patients in the first year.
Blood pressure rose by 4 mmHg in women and fell by 2 mmHg in men.
The trial was funded by Aurelis Pharma, which also supplied the study drug.
Aurelis Pharma had no role in the analysis of the data.
Dr. Hana Novak led the trial, and Dr. Luis Ortega reviewed the safety data.
Neither the patients nor the investigators knew the assignment until the end of the study.
The primary endpoint was reached in 52% of the patients, compared with 47% in the control group.
Results for secondary endpoints should be interpreted with caution.
At least two blood samples were missing for 8 of the 64 participants in Leeds.
Enrolment in Brno was suspended in November 2019 and resumed in February 2020.
Quality of life improved in most patients, but not in those with diabetes.
Placebo was better tolerated than drelazumab.
The protocol was amended twice, on 12 June 2018 and on 9 January 2019.
Adherence was above 90% in all groups.
The authors could not rule out an interaction with warfarin."""

CIRCULAR = """Furthermore, the Trustee may postpone the meeting by up to 21 days.
Accordingly, the Issuer redeemed notes with a face value of EUR 40 million on 15 June 2021.
As a result, the coverage ratio fell below 1.5 for the first time.
Also, holders of at least 25% of the notes can request a meeting.
Therefore, no further payments were made to the Originator.
Consequently, the rating was lowered by two notches.
Finally, the Issuer appointed Lindqvist Advisers as its restructuring agent.
Further, the Trustee does not guarantee the accuracy of the report.
The notes (excluding those held by the Issuer) were exchanged at par.
Average loans (net of allowances) grew 6% in the period.
Fees (other than trustee fees) are payable in advance.
The Issuer's earnings before interest, taxes, depreciation and amortization (EBITDA) were EUR 112 million in 2021.
The Ministry of Public Works (MPW) approved the plan, except for the northern section.
The Noteholders (collectively, the "Holders") agreed to waive the default.
The reserve fund (see Section 7.3) holds EUR 9.6 million.
The exchange ratio is five (5) new shares for each two (2) old shares.
The meeting of the holders (if a quorum is present) decides by simple majority.
In 2021, interest income rose 4% to EUR 215 million.
In 2020, the default rate was 2.8%.
During fiscal 2021, the Issuer repurchased notes with a value of EUR 18.4 million.
As of June 30, 2021, the outstanding principal was EUR 1.3 billion.
In fiscal 2020, provisions increased by EUR 7 million.
Net interest margin declined to 1.9% in 2021.
The pool generated EUR 62 million in 2020.
Losses were EUR 3.1 million in fiscal 2021.
Recoveries totaled EUR 11 million in 2021.
The Issuer agreed to repay the liquidity facility in 2024.
The Servicer announced that it will close its office in Porto in 2023.
Noteholders received warrants that expire in 2026.
The cash flow model was audited by Castellan Partners before it was used in 2021.
The Originator sold the loans to the Issuer, and the Issuer pledged them to the Trustee.
Lindqvist Advisers replaced Castellan Partners as agent on 2 August 2021."""

LISTS = {
    "lease.pdf": [
        ("Without the consent of the Landlord the Tenant shall not:", ["(a) keep dangerous goods in the Premises;", "(b) change the locks; or", "(c) erect partitions."]),
        ("The following costs are not part of the operating expenses:", ["(a) capital expenditures above $10,000;", "(b) commissions of brokers."]),
    ],
    "policy.pdf": [
        ("The following devices must never be connected to the network:", ["• Private laptops of employees.", "• Cameras that record sound."]),
    ],
    "manual.pdf": [("The warranty is void in any of these cases:", ["1. The seal was broken.", "2. The pump ran dry for more than 30 seconds."])],
}  # fmt: skip

ROLES: dict[str, list[tuple[str, str, str]]] = {
    "lease.pdf": [("lease", "Landlord", "Tenant"), ("assign", "Hartwell Properties LLC", "Brenner Realty Trust"), ("pay the", "Tenant", "Landlord")],
    "filing.pdf": [
        ("acquired", "Meridian Snacks Company", "Tallow Creek Foods"), ("filed by", "Corvane Industries", "Delmar Logistics"),
        ("Sales through", "distributors", "direct sales"), ("sold its", "Company", "Perrin Capital Partners"), ("while net sales", "Europe", "Asia"),
    ],
    "manual.pdf": [("whereas", "P-300S", "P-300"), ("inlet flange", "drain plug", "inlet flange")],
    "policy.pdf": [("exceptions, and", "Line managers", "the HR department"), ("same hourly", "Part-time", "full-time")],
    "supply.pdf": [
        ("Title passes", "Supplier", "Buyer"), ("supplies the", "Kestrel Components GmbH", "Varga Elevators Zrt."), ("paid", "Varga Elevators Zrt.", "Kestrel Components GmbH"),
        ("indemnifies the", "Buyer", "Supplier"), ("terminated the", "Kestrel Components GmbH", "Varga Elevators Zrt."),
    ],
    "circular.pdf": [("sold the loans", "Originator", "Issuer"), ("pledged them", "Issuer", "Trustee"), ("replaced", "Lindqvist Advisers", "Castellan Partners")],
    "study.pdf": [
        ("received drelazumab", "drelazumab", "placebo"), ("mmHg", "women", "men"), ("led the", "Dr. Hana Novak", "Dr. Luis Ortega"),
        ("Mortality", "treatment group", "control group"), ("better tolerated", "Placebo", "drelazumab"),
    ],
}  # fmt: skip
"""(words of the sentence, one, other): exchanging the two makes another claim."""


@dataclass(frozen=True)
class TableSpec:
    """A table to set: rows of cells, the first with the column headers. A row with one cell is the heading of a group."""

    caption: str
    unit: str
    rows: tuple[tuple[str, ...], ...]


TABLES: dict[str, list[TableSpec]] = {
    "filing.pdf": [
        TableSpec("Consolidated Statement of Income", "USD million", (
            ("", "2022", "2021", "2020"), ("Net revenue", "86,392", "79,474", "70,372"), ("Cost of sales", "40,576", "37,075", "31,797"),
            ("Gross profit", "45,816", "42,399", "38,575"), ("Selling, general and administrative expenses", "34,459", "31,237", "28,453"),
            ("Impairment of intangible assets", "3,166", "", "42"), ("Interest expense", "(939)", "(1,863)", "(1,128)"),
            ("Income before income taxes", "10,705", "9,821", "9,069"), ("Provision for income taxes", "1,727", "2,142", "1,894"),
            ("Net income attributable to noncontrolling interests", "68", "61", "55"),
        )),
        TableSpec("Net revenue by segment", "USD million", (
            ("", "2022", "2021"), ("North America",), ("Beverages", "26,213", "25,276"), ("Convenient foods", "23,291", "19,608"),
            ("Europe",), ("Beverages", "7,012", "6,944"), ("Convenient foods", "5,712", "6,094"), ("Eliminations", "(118)", "(97)"),
        )),
        TableSpec("Selected balance sheet items", "USD million", (
            ("", "December 31, 2022", "December 25, 2021"), ("Cash and cash equivalents", "4,954", "5,596"), ("Inventories", "5,222", "4,347"),
            ("Goodwill", "18,202", "18,381"), ("Short-term debt obligations", "3,414", "4,308"), ("Accumulated other comprehensive loss", "(15,302)", "(14,898)"),
            ("Treasury shares", "(39,506)", "(38,248)"),
        )),
    ],
    "lease.pdf": [
        TableSpec("Schedule of base rent", "", (
            ("Lease year", "Monthly rent", "Annual rent"), ("Year 1", "$12,500", "$150,000"), ("Year 2", "$12,875", "$154,500"), ("Year 3", "$13,261", "$159,135"),
            ("Year 4", "$13,659", "$163,909"), ("Year 5", "$14,069", "$168,826"),
        )),
    ],
    "manual.pdf": [
        TableSpec("Technical data", "", (
            ("", "P-300", "P-300S", "P-500"), ("Rated power", "1.1 kW", "1.1 kW", "2.2 kW"), ("Maximum flow", "3,200 l/h", "3,150 l/h", "5,400 l/h"),
            ("Maximum head", "42 m", "41 m", "58 m"), ("Weight without packaging", "18.5 kg", "19.2 kg", "27.0 kg"), ("Noise level", "68 dB(A)", "67 dB(A)", "74 dB(A)"),
            ("Housing", "cast iron", "stainless steel", "cast iron"), ("Inlet connection", "G 1", "G 1", "G 1 1/2"), ("Protection class", "IP 44", "IP 55", "IP 55"),
        )),
        TableSpec("Maintenance intervals", "", (
            ("Task", "Interval", "Who"), ("Check the oil level", "daily", "operator"), ("Replace the filter", "6 months", "operator"),
            ("Change the oil", "2,000 hours", "service technician"), ("Test the earth leakage switch", "12 months", "electrician"),
        )),
    ],
    "policy.pdf": [
        TableSpec("Approval limits", "EUR", (
            ("", "Purchases", "Travel"), ("Team lead", "1,000", "500"), ("Head of department", "10,000", "2,500"), ("Finance director", "50,000", "10,000"),
            ("Managing director", "250,000", "25,000"),
        )),
        TableSpec("Employees by location", "", (
            ("Number of employees", "2021", "2022"), ("Bergen", "412", "438"), ("Hamburg", "1,207", "1,156"), ("Gdansk", "689", "702"), ("Total", "2,308", "2,296"),
        )),
    ],
    "supply.pdf": [
        TableSpec("Deliveries", "", (
            ("", "Ordered", "Delivered", "Rejected"), ("First quarter 2023", "800", "640", "112"), ("Second quarter 2023", "750", "750", "18"),
            ("Third quarter 2023", "900", "865", "7"), ("Fourth quarter 2023", "850", "850", "0"),
        )),
        TableSpec("Prices per unit", "EUR thousand", (
            ("", "Up to 500 units", "From 501 units"), ("Control unit K7", "1.85", "1.62"), ("Control unit K9", "2.40", "2.15"), ("Door drive D2", "3.75", "3.30"),
        )),
    ],
    "study.pdf": [
        TableSpec("Baseline characteristics", "", (
            ("", "Drelazumab (n = 641)", "Placebo (n = 643)"), ("Mean age in years", "61.3", "60.8"), ("Women", "48.2%", "49.6%"), ("Diabetes", "22.6%", "21.9%"),
            ("Previous stroke", "7.8%", "8.4%"), ("Systolic blood pressure (mmHg)", "138", "141"),
        )),
        TableSpec("Change from baseline at week 24", "%", (
            ("", "Drelazumab", "Placebo"), ("LDL cholesterol", "(31.4)", "(2.1)"), ("HDL cholesterol", "4.6", "0.9"), ("Triglycerides", "(12.8)", "1.7"),
            ("Body weight", "(1.2)", "(0.4)"),
        )),
    ],
}  # fmt: skip

TEXTS = {
    "lease.pdf": LEASE,
    "filing.pdf": FILING,
    "manual.pdf": MANUAL,
    "policy.pdf": POLICY,
    "supply.pdf": SUPPLY,
    "study.pdf": STUDY,
    "circular.pdf": CIRCULAR,
}
SENTENCES_PER_PAGE = 13


def pages() -> dict[tuple[str, int], Page]:
    """All pages, by document and number: pages of text, then one page for each list, then one for each table."""
    found: dict[tuple[str, int], Page] = {}
    for name, text in TEXTS.items():
        sentences = text.split("\n")
        number = 0
        for begin in range(0, len(sentences), SENTENCES_PER_PAGE):
            number += 1
            body = sentences[begin : begin + SENTENCES_PER_PAGE]
            # Three or four sentences to a paragraph, under a heading.
            parts = [("heading", f"{number}. Provisions")] + [
                ("paragraph", " ".join(body[at : at + 4])) for at in range(0, len(body), 4)
            ]
            found[name, number] = page_of_blocks(number, parts)
        for opening, items in LISTS.get(name, []):
            number += 1
            found[name, number] = page_of_blocks(
                number, [("paragraph", opening), *(("list", item) for item in items), ("paragraph", "Section ends here.")]
            )
        for spec in TABLES.get(name, []):
            number += 1
            found[name, number] = page_of_blocks(number, [("caption", spec.caption), spec])
    return found


def page_of_blocks(number: int, blocks: Sequence[tuple[str, str] | TableSpec]) -> Page:
    """A page made of blocks, in order; a table comes with its caption before it."""
    text = ""
    made: list[Block] = []
    tables: list[Table] = []
    caption: Span | None = None
    for each in blocks:
        text += "\n" if text else ""
        start, top = len(text), 72.0 + 20 * len(made)
        if isinstance(each, TableSpec):
            words, table = _table(each, start, top, caption)
            text += words
            tables.append(table)
            made.append(Block("table", table.span, table.box))
            continue
        kind, words = each
        text += words
        span = Span(start, len(text))
        caption = span if kind == "caption" else None
        made.append(Block(kind, span, (72.0, top, 540.0, top + 12), 1 if kind == "heading" else 0))
    boxes = np.full((len(text), 4), np.nan, dtype=np.float32)
    for index, each in enumerate(text):
        if not each.isspace():
            boxes[index] = (72 + 5 * (index % 90), 72 + 12 * (index // 90), 77 + 5 * (index % 90), 82 + 12 * (index // 90))
    for table in tables:
        for cell in table.cells:
            for at, index in enumerate(range(cell.span.start, cell.span.end)):
                boxes[index] = (cell.box[0] + 4 * at, cell.box[1], cell.box[0] + 4 * at + 4, cell.box[3])
    return Page(number, 612.0, 792.0, text, boxes, tuple(made), tuple(tables))


def _table(spec: TableSpec, start: int, top: float, caption: Span | None) -> tuple[str, Table]:
    columns = max(len(row) for row in spec.rows)
    words, cells = "", []
    in_group = False
    for at, row in enumerate(spec.rows):
        group = len(row) == 1
        in_group = True if group else in_group and not row[0].startswith("Eliminations")
        for column, value in enumerate(row):
            words += ("\n" if words and column == 0 else " " if words else "") if value else ""
            here = Span(start + len(words), start + len(words) + len(value))
            words += value
            left = 72.0 + 120 * column + (10 if in_group and not group and column == 0 else 0)
            box = (left, top + 14 * at, left + 100, top + 14 * at + 12)
            cells.append(Cell(at, column, here, box, columns=columns if group else 1, header=at == 0 or column == 0))
    return words, Table(
        Span(start, start + len(words)),
        (72.0, top, 560.0, top + 14.0 * len(spec.rows)),
        len(spec.rows),
        columns,
        tuple(cells),
        caption,
        spec.unit,
    )
