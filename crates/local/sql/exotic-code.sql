-- Views, functions, triggers, rules, statistics objects.
CREATE VIEW plain_view AS SELECT id, value FROM texts WHERE id < 20;
CREATE VIEW view_on_view WITH (security_barrier) AS SELECT v.id, t.at FROM plain_view AS v JOIN measured AS t ON t.id = v.id;
CREATE VIEW checked_view AS SELECT * FROM upper WHERE id > 0 WITH CASCADED CHECK OPTION;
ALTER VIEW checked_view ALTER id SET DEFAULT 8;
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5;
CREATE MATERIALIZED VIEW populated AS SELECT region, count(*) AS n, sum(value) AS total FROM measured GROUP BY region;
CREATE UNIQUE INDEX populated_key ON populated (region);
CREATE MATERIALIZED VIEW depends_on_it WITH (fillfactor = 50) AS SELECT max(n) AS most FROM populated;
CREATE MATERIALIZED VIEW not_populated AS SELECT * FROM hen WITH NO DATA;
COMMENT ON MATERIALIZED VIEW not_populated IS 'never filled';

CREATE FUNCTION add_up(a int, b int DEFAULT 1, VARIADIC rest int[] DEFAULT '{}') RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 7 AS $$ SELECT a + b + coalesce(sum(r), 0)::int FROM unnest(rest) AS r $$;
CREATE FUNCTION pairs(INOUT n int, OUT text text) RETURNS SETOF record LANGUAGE plpgsql STABLE STRICT ROWS 5
    SET search_path = exotic, pg_temp SET work_mem = '1MB' SECURITY DEFINER AS $body$
BEGIN
    -- A comment with 'quotes', $$ and ünïcode.
    FOR i IN 1..3 LOOP n := i; text := E'\\' || i; RETURN NEXT; END LOOP;
END $body$;
CREATE FUNCTION "Fünction"("größe" anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT "größe"';
CREATE FUNCTION trim_more(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT btrim($1) $$;
CREATE AGGREGATE total_of(numeric) (sfunc = numeric_add, stype = numeric, initcond = '0');
CREATE FUNCTION close_to(numeric, numeric) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT abs($1 - $2) < 1 $$;
CREATE OPERATOR ~=~ (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = close_to, COMMUTATOR = ~=~);
CREATE TEXT SEARCH CONFIGURATION simple_words (COPY = pg_catalog.simple);
CREATE TEXT SEARCH DICTIONARY short_words (TEMPLATE = pg_catalog.simple, accept = false);
CREATE FUNCTION mood_level(mood) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT length($1::text) $$;
CREATE CAST (mood AS int) WITH FUNCTION mood_level(mood) AS ASSIGNMENT;
COMMENT ON FUNCTION add_up(int, int, int[]) IS 'adds';
\if :from_14
CREATE PROCEDURE do_it(INOUT a int) LANGUAGE plpgsql AS $$ BEGIN a := a + 1; COMMIT; END $$;
CREATE FUNCTION standard_body(a int) RETURNS int LANGUAGE sql RETURN a * (SELECT count(*) FROM hen);
CREATE FUNCTION atomic_body() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT value FROM texts; SELECT 'x'::text; END;
\endif

CREATE TABLE audit (at_table text, op text, n int);
CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exotic.audit VALUES (tg_table_name, tg_op, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER on_hen AFTER INSERT OR UPDATE OF egg ON hen FOR EACH ROW WHEN (new.id > 0) EXECUTE PROCEDURE note_it('arg ''q''', 'ü');
CREATE TRIGGER "is off" AFTER DELETE ON hen FOR EACH STATEMENT EXECUTE PROCEDURE note_it();
ALTER TABLE hen DISABLE TRIGGER "is off";
CREATE TRIGGER on_replica AFTER INSERT ON egg REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE PROCEDURE note_it();
ALTER TABLE egg ENABLE REPLICA TRIGGER on_replica;
CREATE TRIGGER always AFTER TRUNCATE ON egg EXECUTE PROCEDURE note_it();
ALTER TABLE egg ENABLE ALWAYS TRIGGER always;
CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON egg DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE PROCEDURE note_it();
CREATE TRIGGER instead INSTEAD OF INSERT ON view_on_view FOR EACH ROW EXECUTE PROCEDURE note_it();
CREATE TRIGGER on_partitions AFTER INSERT ON measured FOR EACH ROW EXECUTE PROCEDURE note_it();
ALTER TABLE measured_old DISABLE TRIGGER on_partitions;
COMMENT ON TRIGGER on_hen ON hen IS 'notes it';
INSERT INTO audit VALUES ('by hand', 'INSERT', 0);

CREATE RULE also_audit AS ON INSERT TO upper WHERE new.id > 100 DO ALSO INSERT INTO audit VALUES ('upper', 'rule', new.id);
CREATE RULE nothing AS ON DELETE TO plain_view DO INSTEAD NOTHING;
CREATE RULE switched_off AS ON UPDATE TO upper DO INSTEAD NOTHING;
ALTER TABLE upper DISABLE RULE switched_off;
COMMENT ON RULE nothing ON plain_view IS 'a rule';

CREATE STATISTICS all_kinds ON region, at FROM measured;
\if :from_12
CREATE STATISTICS "Stat ü" (ndistinct) ON w, h FROM generated;
\endif
COMMENT ON STATISTICS all_kinds IS 'correlated';
\if :from_14
ALTER STATISTICS all_kinds SET STATISTICS 250;
CREATE STATISTICS on_expression (mcv) ON (w % 10), (lower(name)) FROM generated;
\endif
ANALYZE measured;
