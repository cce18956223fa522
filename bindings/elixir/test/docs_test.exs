defmodule LiteStash.DocsTest do
  use ExUnit.Case, async: true

  test "every public function has documentation and a specification" do
    {:ok, modules} = :application.get_key(:litestash, :modules)

    documented =
      for module <- modules,
          {:docs_v1, _, _, _, %{}, _, docs} <- [Code.fetch_docs(module)],
          do: {module, docs}

    assert {LiteStash, _} = List.keyfind(documented, LiteStash, 0)

    missing =
      for {module, docs} <- documented,
          {:ok, specs} = Code.Typespec.fetch_specs(module),
          {{kind, name, arity}, _, _, doc, _} <- docs,
          kind in [:function, :macro] and doc != :hidden,
          doc == :none or not List.keymember?(specs, {name, arity}, 0),
          do: "#{inspect(module)}.#{name}/#{arity}"

    assert missing == []
  end
end
