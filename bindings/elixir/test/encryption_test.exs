defmodule LiteStash.EncryptionTest do
  use LiteStash.Case, async: true

  @moduletag stash: nil
  @key :binary.copy(<<7>>, 32)

  test "an encrypted stash opens with its key only", %{dir: dir} do
    Process.flag(:trap_exit, true)
    open = fn options -> LiteStash.start_link([data_dir: dir, mode: mode()] ++ options) end
    {:ok, stash} = open.(encryption_key: fn -> @key end)
    :ok = LiteStash.set(stash, "k", "a secret that is in no file")
    assert {:ok, %{"resealed" => 1}} = LiteStash.rotate_key(stash)
    refute inspect(:sys.get_state(stash), limit: :infinity) =~ inspect(@key)
    LiteStash.close(stash)
    files = for file <- Path.wildcard(Path.join(dir, "*")), File.regular?(file), do: File.read!(file)
    assert files != [] and not Enum.any?(files, &(&1 =~ "a secret"))
    assert {:error, %Error{kind: :wrong_key}} = open.([])
    assert {:error, %Error{kind: :wrong_key}} = open.(encryption_key: :binary.copy(<<8>>, 32))
    assert {:error, %Error{kind: :invalid_argument}} = open.(encryption_key: 5)
    {:ok, stash} = open.(encryption_key: @key)
    assert LiteStash.get(stash, "k") == {:ok, "a secret that is in no file"}
    assert LiteStash.change_passphrase(stash, "correct horse") == :ok
    LiteStash.close(stash)
    {:ok, stash} = open.(passphrase: "correct horse")
    assert LiteStash.change_key(stash, @key) == :ok
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.change_key(stash, "short")
    LiteStash.close(stash)
    {:ok, stash} = open.(encryption_key: @key)
    assert LiteStash.get(stash, "k") == {:ok, "a secret that is in no file"}
    LiteStash.close(stash)
  end

  test "compressed values are read as they were", %{dir: dir} do
    text = String.duplicate("compressible ", 10_000)

    stash =
      start_supervised!({LiteStash, data_dir: dir, mode: mode(), compression: [min_bytes: 100, level: 3]})

    :ok = LiteStash.set(stash, "k", text)
    assert LiteStash.get(stash, "k") == {:ok, text}
    assert LiteStash.take(stash, "k") == {:ok, text}
  end
end
