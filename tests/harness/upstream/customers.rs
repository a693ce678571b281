//! Made-up people. Every number is a published example or a valid form of nobody's.

/// One row of the table.
pub(super) struct Customer {
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) phone: &'static str,
    pub(super) card: &'static str,
    pub(super) ssn: &'static str,
    pub(super) iban: &'static str,
    pub(super) city: &'static str,
    pub(super) notes: &'static str,
}

/// Who is in the database when it starts; ids count from 1.
pub(super) const CUSTOMERS: [Customer; 4] = [
    Customer {
        name: "Ada Lovelace",
        email: "ada.lovelace@example.com",
        phone: "+1 202 555 0143",
        card: "4242 4242 4242 4242",
        ssn: "523-45-6781",
        iban: "DE89370400440532013000",
        city: "London",
        notes: "Prefers mail to ada@home.example. Asked for an invoice.",
    },
    Customer {
        name: "Grace Hopper",
        email: "grace.hopper@example.org",
        phone: "+1 202 555 0178",
        card: "5555 5555 5555 4444",
        ssn: "401-22-7395",
        iban: "GB82WEST12345698765432",
        city: "New York",
        notes: "Sent us her key AKIAIOSFODNN7EXAMPLE by mistake; told to rotate it.",
    },
    Customer {
        name: "Katherine Johnson",
        email: "katherine.johnson@example.net",
        phone: "+1 202 555 0112",
        card: "3782 822463 10005",
        ssn: "236-81-4409",
        iban: "FR1420041010050500013M02606",
        city: "Hampton",
        notes: "Her client sends the token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
                eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
                SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c in a query.",
    },
    Customer {
        name: "Radia Perlman",
        email: "radia.perlman@example.com",
        phone: "+1 202 555 0199",
        card: "6011 1111 1111 1117",
        ssn: "118-63-2057",
        iban: "NL91ABNA0417164300",
        city: "Boston",
        notes: "Pasted this into a ticket:\n-----BEGIN PRIVATE KEY-----\n\
                MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                -----END PRIVATE KEY-----\nTold to rotate it.",
    },
];
