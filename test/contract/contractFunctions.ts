import { Schema } from "effect"
import { make } from "../../src/Database/Rpc.ts"

export const contractSql = `
create table public.contract_note (id uuid primary key, note text not null check (note <> 'bad'));
create function public.contract_echo(
  p_uuid uuid, p_ids uuid[], p_text text, p_json jsonb, p_int integer, p_big bigint, p_num numeric default 7
) returns jsonb language sql as $$
  select jsonb_build_object('uuid', p_uuid, 'ids', to_jsonb(p_ids), 'text', p_text, 'json', p_json,
    'json_type', jsonb_typeof(p_json), 'int', p_int, 'big', p_big::text, 'num', p_num::text)
$$;
create function public.contract_write(p_id uuid, p_note text, p_raise text default null) returns jsonb
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into public.contract_note values (p_id, p_note);
  if p_raise is not null then
    raise exception 'raised on purpose' using errcode = p_raise, detail = 'a detail', hint = 'a hint';
  end if;
  return jsonb_build_object('written', p_id);
end $$;
create function public.contract_answer(p_kind text) returns jsonb language sql as $$
  select case p_kind when 'null' then null when 'wrong' then '{"written": {"secret": "tell nobody"}}'::jsonb
                     when 'scalar' then '"text"'::jsonb when 'big' then to_jsonb(repeat('x', 17 * 1024 * 1024)) end
$$;`

export const echo = make({
  name: "contract_echo",
  readOnly: false,
  types: {
    p_uuid: "uuid",
    p_ids: "uuid[]",
    p_text: "text",
    p_json: "jsonb",
    p_int: "integer",
    p_big: "bigint",
    p_num: "numeric"
  },
  args: () =>
    Schema.Struct({
      p_uuid: Schema.NullOr(Schema.UUID),
      p_ids: Schema.NullOr(Schema.Array(Schema.UUID)),
      p_text: Schema.NullOr(Schema.String),
      p_json: Schema.Unknown,
      p_int: Schema.NullOr(Schema.Int),
      p_big: Schema.NullOr(Schema.Number),
      p_num: Schema.optional(Schema.NullOr(Schema.Number))
    }),
  result: () =>
    Schema.Struct({
      uuid: Schema.NullOr(Schema.String),
      ids: Schema.NullOr(Schema.Array(Schema.String)),
      text: Schema.NullOr(Schema.String),
      json: Schema.Unknown,
      json_type: Schema.NullOr(Schema.String),
      int: Schema.NullOr(Schema.Number),
      big: Schema.NullOr(Schema.String),
      num: Schema.NullOr(Schema.String)
    })
})

export const nothing = {
  p_uuid: null,
  p_ids: null,
  p_text: null,
  p_json: null,
  p_int: null,
  p_big: null
}

const Written = Schema.Struct({ written: Schema.String })

export const write = make({
  name: "contract_write",
  readOnly: false,
  types: { p_id: "uuid", p_note: "text", p_raise: "text" },
  args: () =>
    Schema.Struct({
      p_id: Schema.UUID,
      p_note: Schema.String,
      p_raise: Schema.optional(Schema.String)
    }),
  result: () => Written
})

export const answer = make({
  name: "contract_answer",
  readOnly: false,
  types: { p_kind: "text" },
  args: () => Schema.Struct({ p_kind: Schema.String }),
  result: () => Written
})

export const missing = make({
  name: "contract_missing",
  readOnly: false,
  types: { p_kind: "text" },
  args: () => Schema.Struct({ p_kind: Schema.String }),
  result: () => Written
})
