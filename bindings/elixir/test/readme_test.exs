defmodule LiteStash.ReadmeTest do
  use LiteStash.Case, async: false

  @moduletag stash: nil

  test "the quick start runs as it stands", %{dir: dir} do
    readme = File.read!(Path.expand("../README.md", __DIR__))
    [_, code] = Regex.run(~r/```elixir\n(.*?)```/s, readme)
    code = String.replace(code, ~s(data_dir: "stash"), "data_dir: #{inspect(dir)}, mode: #{inspect(mode())}")
    assert {:ok, _} = code |> Code.eval_string() |> then(&{:ok, &1})
    assert Path.wildcard(Path.join(dir, "shard-*.db")) != []
  end
end
