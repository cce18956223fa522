defmodule LiteStash.TelemetryTest do
  use LiteStash.Case, async: false

  test "every operation is told", %{stash: stash} do
    apply(:telemetry, :listen, [self()])
    :ok = LiteStash.set(stash, "k", 1)
    {:ok, nil} = LiteStash.get(stash, "m")
    {:error, _} = LiteStash.increment(stash, "k", nil)
    name = [:litestash, :operation, :stop]
    assert_receive {:telemetry, ^name, %{duration: duration}, %{stash: ^stash, operation: "set", result: :ok}}
    assert is_integer(duration)
    assert_receive {:telemetry, ^name, _, %{operation: "get", result: :miss}}
    assert_receive {:telemetry, ^name, _, %{operation: "increment", result: {:error, :invalid_argument}}}
  end
end
