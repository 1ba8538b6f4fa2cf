using System.Text;
using KeyService.Crypto.IO;

namespace KeyService.Server.Storage.Sqlite;

/// <summary>
/// The file STORE.moved beside a store that was copied elsewhere: what it says is where to. Nothing opens the store while it is there, so
/// that no server goes on with the old one. The store itself is not touched.
/// </summary>
internal static class MovedMark
{
    public static string PathOf(string storePath) => storePath + ".moved";

    /// <exception cref="StoreOpenException">The store was moved.</exception>
    public static void Refuse(string storePath)
    {
        var path = PathOf(storePath);
        if (File.Exists(path))
        {
            throw new StoreOpenException($"The store {storePath} was moved: {File.ReadAllText(path).Trim()}")
            {
                Fix = $"Use the store that it was moved to. Only to give that up, with everything written to it since: remove {path}.",
            };
        }
    }

    /// <summary>Durable when it returns.</summary>
    public static void Write(string storePath, string where) => DurableFile.WriteAllBytes(
        PathOf(storePath), Encoding.UTF8.GetBytes(where + "\n"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
}
