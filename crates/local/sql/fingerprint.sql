-- The content of a database, one line per thing, the same whatever the order of rows on disk.
-- Run by psql in unaligned, tuples-only mode on 10 to 18. Each line is a JSON array, so that no name
-- can look like something else. Two databases of one version are equal if the lines are; those that
-- begin with "rows", "sequence" or "large object" are the same on 12 to 18 (older ones print floating
-- point numbers otherwise).
-- Left out, as pg_dump does not carry it or --no-owner drops it: owners, the order of columns,
-- settings of the database and of roles, tablespaces, statistics of the planner.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET search_path = '';
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET xmloption = 'content';
SET row_security = off;

SELECT current_setting('server_version_num')::int >= 150000 AS from_15
\gset

-- The user's schemas, and what of the catalogue lies in them.
CREATE TEMPORARY TABLE schema_of AS
SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema';
CREATE TEMPORARY TABLE relation AS
SELECT c.oid, c.oid::regclass::text AS name, n.nspname, c.relname, c.relkind::text AS kind, c.relowner, c.relacl
FROM pg_class AS c JOIN pg_temp.schema_of AS n ON n.oid = c.relnamespace;

-- Privileges without who granted them: the owner's are there whoever the owner is.
CREATE FUNCTION pg_temp.grants(acl aclitem[], owner oid, kind "char") RETURNS json LANGUAGE sql AS $$
    SELECT json_agg(t ORDER BY t::text COLLATE "C") FROM (
        SELECT CASE grantee WHEN 0 THEN 'PUBLIC' WHEN owner THEN '(owner)'
               ELSE 'role ' || pg_catalog.pg_get_userbyid(grantee) END
               || ': ' || privilege_type || CASE WHEN is_grantable THEN ' and may grant' ELSE '' END AS t
        FROM pg_catalog.aclexplode(coalesce(acl, pg_catalog.acldefault(kind, owner)))) AS g
$$;
CREATE FUNCTION pg_temp.sorted(options text[]) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(options) AS o
$$;
CREATE FUNCTION pg_temp.collation_name(collation_id oid) RETURNS text LANGUAGE sql AS $$
    SELECT pg_catalog.format('%I.%I', nspname, collname) FROM pg_catalog.pg_collation AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = collnamespace WHERE c.oid = collation_id
$$;

-- Rows of every table and materialised view: how many, and the sum of their 64-bit hashes. The
-- columns are taken in the order of their names.
SELECT format(
    'SELECT json_build_array(''rows'', %L, count(*), coalesce(sum((''x'' || substr(md5(ROW(%s)::text), 1, 16))::bit(64)::bigint::numeric), 0)) FROM ONLY %I.%I AS "the row"',
    r.name, (SELECT string_agg(format('"the row".%I', attname), ', ' ORDER BY attname::text COLLATE "C")
             FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
    r.nspname, r.relname)
FROM pg_temp.relation AS r JOIN pg_class AS c ON c.oid = r.oid
WHERE r.kind IN ('r', 'm') AND c.relispopulated
ORDER BY r.name::text COLLATE "C"
\gexec

-- Sequences and where they stand.
SELECT format('SELECT json_build_array(''sequence'', %L, last_value, is_called) FROM %I.%I', name, nspname, relname)
FROM pg_temp.relation WHERE kind = 'S' ORDER BY name::text COLLATE "C"
\gexec
-- Large objects by number and content.
SELECT json_build_array('large object', oid, length(lo_get(oid)), md5(lo_get(oid))) FROM pg_largeobject_metadata ORDER BY oid;
SELECT json_build_array('large object grants', oid, pg_temp.grants(lomacl, lomowner, 'L')) FROM pg_largeobject_metadata ORDER BY oid;

SELECT json_build_array('schema', nspname, pg_temp.grants(nspacl, nspowner, 'n')) FROM pg_temp.schema_of ORDER BY nspname::text COLLATE "C";
SELECT json_build_array('extension', extname, extversion, n.nspname,
    (SELECT json_agg(json_build_array(t.r::regclass, c) ORDER BY t.r::regclass::text COLLATE "C")
     FROM unnest(extconfig, extcondition) AS t (r, c)))
FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = extnamespace ORDER BY extname::text COLLATE "C";

-- Tables, views, indexes, sequences: what is said of the whole.
SELECT json_build_array('relation', r.name, r.kind, c.relpersistence, a.amname, pg_temp.sorted(c.reloptions),
    (SELECT pg_temp.sorted(t.reloptions) FROM pg_class AS t WHERE t.oid = c.reltoastrelid),
    c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispopulated,
    pg_get_expr(c.relpartbound, c.oid), CASE r.kind WHEN 'p' THEN pg_get_partkeydef(c.oid) END, NULLIF(c.reloftype, 0)::regtype,
    (SELECT json_agg(inhparent::regclass ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
    CASE WHEN r.kind NOT IN ('i', 'I', 'c') THEN pg_temp.grants(r.relacl, r.relowner, (CASE r.kind WHEN 'S' THEN 's' ELSE 'r' END)::"char") END)
FROM pg_temp.relation AS r JOIN pg_class AS c ON c.oid = r.oid LEFT JOIN pg_am AS a ON a.oid = c.relam
ORDER BY r.name::text COLLATE "C";

-- Columns, those of composite types too. What a version lacks is NULL.
SELECT json_build_array('column', r.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
    to_jsonb(a) ->> 'attgenerated', pg_get_expr(d.adbin, d.adrelid),
    CASE WHEN a.attcollation <> t.typcollation THEN pg_temp.collation_name(a.attcollation) END,
    a.attstorage, to_jsonb(a) ->> 'attcompression', NULLIF(a.attstattarget, -1), pg_temp.sorted(a.attoptions), pg_temp.sorted(a.attfdwoptions),
    CASE WHEN a.attacl IS NOT NULL THEN pg_temp.grants(a.attacl, r.relowner, 'c') END)
FROM pg_attribute AS a JOIN pg_temp.relation AS r ON r.oid = a.attrelid JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND (r.kind NOT IN ('i', 'I', 'S') OR a.attstattarget <> -1)
ORDER BY r.name::text COLLATE "C", a.attname::text COLLATE "C";

SELECT json_build_array('sequence definition', r.name, format_type(s.seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle,
    (SELECT json_agg(json_build_array(refobjid::regclass, attname, deptype)) FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
     WHERE classid = 'pg_class'::regclass AND objid = r.oid AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')))
FROM pg_sequence AS s JOIN pg_temp.relation AS r ON r.oid = s.seqrelid ORDER BY r.name::text COLLATE "C";
SELECT json_build_array('view', name, pg_get_viewdef(oid)) FROM pg_temp.relation WHERE kind IN ('v', 'm') ORDER BY name::text COLLATE "C";
SELECT json_build_array('index', r.name, pg_get_indexdef(r.oid), indisvalid, indisclustered, indisreplident)
FROM pg_index JOIN pg_temp.relation AS r ON r.oid = indexrelid ORDER BY r.name::text COLLATE "C";
-- Those of a foreign key to a partitioned table that stand for one partition have names of no one's choice.
SELECT json_build_array('constraint', CASE WHEN conrelid <> 0 THEN conrelid::regclass::text ELSE contypid::regtype::text END,
    conname, contype, pg_get_constraintdef(c.oid), convalidated)
FROM pg_constraint AS c JOIN pg_temp.schema_of AS n ON n.oid = connamespace
WHERE NOT (contype = 'f' AND coalesce((to_jsonb(c) ->> 'conparentid')::bigint, 0) <> 0) AND contype <> 't'
ORDER BY conrelid::regclass::text COLLATE "C", contypid::regtype::text COLLATE "C", conname::text COLLATE "C";
SELECT json_build_array('trigger', r.name, tgname, pg_get_triggerdef(t.oid), tgenabled)
FROM pg_trigger AS t JOIN pg_temp.relation AS r ON r.oid = tgrelid WHERE NOT tgisinternal
ORDER BY r.name::text COLLATE "C", tgname::text COLLATE "C";
SELECT json_build_array('rule', r.name, rulename, pg_get_ruledef(w.oid), ev_enabled)
FROM pg_rewrite AS w JOIN pg_temp.relation AS r ON r.oid = ev_class WHERE rulename <> '_RETURN'
ORDER BY r.name::text COLLATE "C", rulename::text COLLATE "C";
SELECT json_build_array('policy', r.name, polname, polpermissive, polcmd,
    (SELECT json_agg(CASE u WHEN 0 THEN 'public' ELSE pg_get_userbyid(u) END ORDER BY u = 0, pg_get_userbyid(u)) FROM unnest(polroles) AS u),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy JOIN pg_temp.relation AS r ON r.oid = polrelid ORDER BY r.name::text COLLATE "C", polname::text COLLATE "C";
SELECT json_build_array('statistics', n.nspname, stxname, pg_get_statisticsobjdef(s.oid), NULLIF(to_jsonb(s) ->> 'stxstattarget', '-1'))
FROM pg_statistic_ext AS s JOIN pg_temp.schema_of AS n ON n.oid = stxnamespace ORDER BY n.nspname::text COLLATE "C", stxname::text COLLATE "C";

-- Types, functions and what belongs to them.
SELECT json_build_array('type', t.oid::regtype, typtype, typisdefined, typnotnull, typdefault,
    CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END,
    CASE WHEN typtype = 'd' THEN pg_temp.collation_name(typcollation) END,
    (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    (SELECT json_build_array(rngsubtype::regtype, (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype, rngcanonical, rngsubdiff) FROM pg_range AS r WHERE rngtypid = t.oid),
    pg_temp.grants(typacl, typowner, 'T'))
FROM pg_type AS t JOIN pg_temp.schema_of AS n ON n.oid = typnamespace
WHERE typelem = 0 ORDER BY t.oid::regtype::text COLLATE "C";
SELECT json_build_array('function', p.oid::regprocedure, pg_get_function_result(p.oid), pg_temp.grants(proacl, proowner, 'f'),
    CASE WHEN a.aggfnoid IS NULL THEN pg_get_functiondef(p.oid) END,
    CASE WHEN a.aggfnoid IS NOT NULL THEN json_build_array(aggkind, aggtransfn, aggfinalfn, aggcombinefn, format_type(aggtranstype, NULL), agginitval, proparallel) END)
FROM pg_proc AS p JOIN pg_temp.schema_of AS n ON n.oid = pronamespace LEFT JOIN pg_aggregate AS a ON a.aggfnoid = p.oid
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT json_build_array('operator', o.oid::regoperator, oprcode, oprcom::regoperator, oprnegate::regoperator, oprcanhash, oprcanmerge)
FROM pg_operator AS o JOIN pg_temp.schema_of AS n ON n.oid = oprnamespace ORDER BY o.oid::regoperator::text COLLATE "C";
SELECT json_build_array('cast', castsource::regtype, casttarget::regtype, NULLIF(castfunc, 0)::regprocedure, castcontext, castmethod)
FROM pg_cast WHERE oid >= 16384 ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";
SELECT json_build_array('collation', n.nspname, to_jsonb(c) - ARRAY['oid', 'collnamespace', 'collowner', 'collversion', 'collencoding'])
FROM pg_collation AS c JOIN pg_temp.schema_of AS n ON n.oid = collnamespace ORDER BY n.nspname::text COLLATE "C", collname::text COLLATE "C";
SELECT json_build_array('text search', cfg.oid::regconfig, (SELECT json_agg(json_build_array(maptokentype, mapseqno, mapdict::regdictionary) ORDER BY maptokentype, mapseqno)
    FROM pg_ts_config_map WHERE mapcfg = cfg.oid))
FROM pg_ts_config AS cfg JOIN pg_temp.schema_of AS n ON n.oid = cfgnamespace ORDER BY cfg.oid::regconfig::text COLLATE "C";

-- What lies in no schema.
SELECT json_build_array('publication', to_jsonb(p) - ARRAY['oid', 'pubowner']) FROM pg_publication AS p ORDER BY pubname::text COLLATE "C";
\if :from_15
SELECT json_build_array('published table', pubname, prrelid::regclass, pg_get_expr(prqual, prrelid),
    (SELECT json_agg(attname ORDER BY attname::text COLLATE "C") FROM pg_attribute WHERE attrelid = prrelid AND attnum = ANY (prattrs)))
FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid ORDER BY pubname::text COLLATE "C", prrelid::regclass::text COLLATE "C";
SELECT json_build_array('published schema', pubname, nspname) FROM pg_publication_namespace JOIN pg_publication AS p ON p.oid = pnpubid
JOIN pg_namespace AS n ON n.oid = pnnspid ORDER BY pubname::text COLLATE "C", nspname::text COLLATE "C";
\else
SELECT json_build_array('published table', pubname, prrelid::regclass)
FROM pg_publication_rel JOIN pg_publication AS p ON p.oid = prpubid ORDER BY pubname::text COLLATE "C", prrelid::regclass::text COLLATE "C";
\endif
SELECT json_build_array('event trigger', evtname, evtevent, evtfoid::regproc, evtenabled, evttags) FROM pg_event_trigger ORDER BY evtname::text COLLATE "C";
SELECT json_build_array('foreign-data wrapper', fdwname, fdwhandler::regproc, fdwvalidator::regproc, pg_temp.sorted(fdwoptions), pg_temp.grants(fdwacl, fdwowner, 'F'))
FROM pg_foreign_data_wrapper ORDER BY fdwname::text COLLATE "C";
SELECT json_build_array('foreign server', srvname, fdwname, srvtype, srvversion, pg_temp.sorted(srvoptions), pg_temp.grants(srvacl, srvowner, 'S'))
FROM pg_foreign_server JOIN pg_foreign_data_wrapper AS w ON w.oid = srvfdw ORDER BY srvname::text COLLATE "C";
SELECT json_build_array('user mapping', srvname, usename, pg_temp.sorted(umoptions)) FROM pg_user_mappings ORDER BY srvname::text COLLATE "C", usename::text COLLATE "C";
SELECT json_build_array('foreign table', ftrelid::regclass, srvname, pg_temp.sorted(ftoptions)) FROM pg_foreign_table JOIN pg_foreign_server AS s ON s.oid = ftserver ORDER BY ftrelid::regclass::text COLLATE "C";
SELECT json_build_array('language', lanname, lanpltrusted, pg_temp.grants(lanacl, lanowner, 'l')) FROM pg_language ORDER BY lanname::text COLLATE "C";
SELECT json_build_array('default grants', pg_get_userbyid(defaclrole), n.nspname, defaclobjtype, pg_temp.grants(defaclacl, defaclrole, 'r'))
FROM pg_default_acl LEFT JOIN pg_namespace AS n ON n.oid = defaclnamespace
ORDER BY pg_get_userbyid(defaclrole)::text COLLATE "C", n.nspname::text COLLATE "C", defaclobjtype::text COLLATE "C";
SELECT json_build_array('comment', i.type, i.identity, description)
FROM pg_description, pg_identify_object(classoid, objoid, objsubid) AS i
WHERE objoid >= 16384 OR (classoid = 'pg_namespace'::regclass AND objoid = 'public'::regnamespace)
ORDER BY i.type::text COLLATE "C", i.identity::text COLLATE "C";
SELECT json_build_array('security label', objtype, objname, provider, label) FROM pg_seclabels ORDER BY objtype, objname, provider;
