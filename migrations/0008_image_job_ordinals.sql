DO $$
BEGIN
  -- Jobs of an earlier version that still wait name one image each.
  IF to_regclass('pgboss.job') IS NOT NULL THEN
    UPDATE pgboss.job SET data = (data - 'ordinal') || jsonb_build_object('ordinals', jsonb_build_array(data->'ordinal'), 'priority', priority)
    WHERE name = 'image' AND data ? 'ordinal';
  END IF;
END $$;
