-- Types, and tables of values that are hard to carry.
CREATE TYPE mood AS ENUM ('sad', 'so so', 'it''s "ok"', 'größer');
ALTER TYPE mood ADD VALUE 'better' AFTER 'so so';
CREATE DOMAIN positive AS int CONSTRAINT is_positive CHECK (value > 0);
CREATE DOMAIN small_positive AS positive DEFAULT 7 CHECK (value < 100) CHECK (value <> 13);
CREATE DOMAIN label AS text COLLATE "C" NOT NULL DEFAULT 'none';
ALTER DOMAIN positive ADD CONSTRAINT not_yet_checked CHECK (value <> 42) NOT VALID;
CREATE TYPE point3 AS (x float8, y float8, "the z" numeric(6, 2));
CREATE TYPE nested AS (id int, at point3, path point3[], mood mood);
CREATE DOMAIN origin AS point3 CHECK ((value).x = 0);
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE TYPE not_defined;
CREATE COLLATION binary_order FROM "C";

CREATE TABLE texts (id int PRIMARY KEY, value text, short varchar(20), fixed char(9));
INSERT INTO texts VALUES
    (1, '', '', ''), (2, NULL, NULL, NULL), (3, '\.', E'\\.', '\.'), (4, E'\n\\.\n', E'\n', E'\t'),
    (5, '\N', '\N', '\N'), (6, E'back\\slash\\\\', '\', '\t'), (7, E'tab\tnl\ncr\rcrnl\r\nvt\vff\fbs\b', E'\r\n', 'a'),
    (8, E'\x01\x1f\x7f', E'\u00a0', 'pad'), (9, 'Zürich 東京 🐘 ' || U&'\FEFF' || 'é', 'é', 'naïve'), (10, ' lead and trail ', '  ', '  x'),
    (11, '{"a": [1, "\"]}', ',', '"'), (12, 'NULL', 'null', 'NaN'), (13, '$1 $$ :x %s ; --', '''', '');
INSERT INTO texts SELECT n, CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE noise(n, 1 + n % 7) END, left(md5(n::text), n % 20)
FROM generate_series(100, 3000) AS n;

CREATE TABLE numbers (id int, i2 smallint, i8 bigint, n numeric, n2 numeric(20, 5), f4 real, f8 float8);
INSERT INTO numbers VALUES
    (1, -32768, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN'),
    (2, 32767, 9223372036854775807, 0, -0.00001, 'Infinity', '-Infinity'),
    (3, 0, 0, 1e-100, 1, '-0', '-0'), (4, NULL, NULL, NULL, NULL, NULL, NULL),
    (5, 1, 1, repeat('1234567890', 120)::numeric, 999999999999999.99999, 1.17549435e-38, 4.9406564584124654e-324),
    (6, 1, 1, ('0.' || repeat('9876543210', 50))::numeric, 1, 3.4028235e38, 1.7976931348623157e308),
    (7, 1, 1, 1.10, 1.1, 0.1, 0.1), (8, 1, 1, 1.1000, 1, 1.0::float8 / 3, 1.0::float8 / 3);
\if :from_14
INSERT INTO numbers VALUES (9, 1, 1, 'Infinity', NULL, 0, 0), (10, 1, 1, '-Infinity', NULL, 0, 0);
\endif

CREATE TABLE times (id int, d date, t time, tz timetz, ts timestamp(3), tstz timestamptz, i interval, i2 interval day to second);
INSERT INTO times VALUES
    (1, '4713-01-01 BC', '00:00', '24:00+14:59', '4713-01-01 00:00 BC', '0044-03-15 12:00Z BC', '-178000000 years', '1 day'),
    (2, 'infinity', '24:00', '00:00-12', '-infinity', 'infinity', '1 year -2 mons +3 days -04:05:06.789', '1 s'),
    (3, '5874897-12-31', '23:59:59.999999', NULL, '294276-12-31 23:59:59.999', '1883-11-18 12:03:58 America/New_York', '0', '0'),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (5, '1582-10-10', '12:00', '12:00+05:30', '2000-02-29', '2024-03-31 02:30 Europe/Berlin', '1 microsecond', '-1 day');

CREATE TABLE others (
    id int, b bytea, j json, jb jsonb, u uuid, ip inet, net cidr, mac macaddr, mac8 macaddr8,
    bits bit(5), vbits bit varying, v tsvector, q tsquery, p point, l line, s lseg, bx box, pa path,
    po polygon, c circle, bo bool, ch "char", na name, o oid, cl regclass, ty regtype, lsn pg_lsn);
INSERT INTO others VALUES
    (1, '\x', '{"b" : 1,  "a": "\u00fc", "a":2}', '{"b": 1, "a": "ü\n\\", "big": 12345678901234567890.12345}',
     'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '::1/64', '10.1.0.0/16', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
     B'10101', B'', 'a:1A fat:2B,4C ''q u'':3', 'fat & (rat | ''c a t'') & !x:*', '(1e-300,-0)', '{1,2,3}', '[(0,0),(1,1)]',
     '(1,1),(0,0)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),1.5>', true, 'x', 'a name', 4294967295, 'exotic.texts', 'exotic.mood', '16/B374D848'),
    (2, '\x00ff5c0a09275c2e', 'null', 'null', NULL, '192.168.0.1/24', '2001:db8::/32', NULL, NULL, B'00000', B'1101', '', '', NULL, NULL,
     NULL, NULL, '((0,0),(1,1))', NULL, NULL, false, '\', '', 0, 'pg_class', 'int4[]', '0/0'),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE collections (
    id small_positive, a int[], a2 text[][], m mood[], dom small_positive[], comp nested, comps point3[],
    o origin, r int4range, rt tstzrange, rn numrange[], own float_range, label label, mood mood DEFAULT 'so so');
INSERT INTO collections VALUES
    (1, '{}', '{{a,NULL},{"NULL","q\"\\"}}', '{sad,größer,"it''s \"ok\""}', '{1,2}', (1, (1.5, -0.0, 2.25), ARRAY[(1, 2, 3)::point3, NULL], 'better'),
     ARRAY[(NULL, NULL, NULL)::point3], (0, 1, 2), 'empty', '[2020-01-01 00:00Z,infinity)', '{"(,)","[1,2.5)"}', '[0.1,0.3)', 'ä', 'it''s "ok"'),
    (2, '[-1:1]={1,NULL,3}', '[0:1][3:3]={{""},{" "}}', '{}', NULL, NULL, '{}', NULL, '[1,)', '(,)', '{empty}', 'empty', '', 'sad'),
    (3, '{{1,2},{3,4}}', NULL, NULL, '{99}', (NULL, NULL, NULL, NULL), NULL, NULL, NULL, NULL, NULL, '[-Infinity,NaN]', 'x', NULL);
\if :from_14
ALTER TABLE collections ADD mr int4multirange, ADD mt tstzmultirange, ADD mown float_multirange;
UPDATE collections SET mr = '{[1,3),[5,9)}', mt = '{}', mown = '{[1,2],(5,Infinity)}' WHERE id = 1;
\endif
\if :has_xml
CREATE TABLE documents (id int, x xml);
INSERT INTO documents VALUES (1, '<?xml version="1.0"?><a b="ü">&lt;\n</a>'), (2, 'just <b/> content'), (3, NULL);
\endif
