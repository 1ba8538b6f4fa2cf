using System.Data.Common;
using System.Globalization;
using Dapper;
using KeyService.Crypto;
using KeyService.Server.Access;
using KeyService.Server.Keys;
using KeyService.Server.Storage;

namespace KeyService.Server.Trust;

/// <summary>The tables behind the key ring and the access register.</summary>
internal static class FollowedTables
{
    public static IEnumerable<FollowedTable> Of(KeyRing keys, AccessRegister access, RowAuthenticator rows)
    {
        var table = new AccessRows(rows);

        // Keys are read again when somebody asks for them: forgetting costs nothing a key.
        yield return new FollowedTable(
            "keys",
            (_, names, _) =>
            {
                foreach (var name in names)
                {
                    keys.Forget(name);
                }

                return Task.CompletedTask;
            },
            (_, _) =>
            {
                keys.ForgetAll();
                return Task.CompletedTask;
            });
        yield return new FollowedTable("key_versions", (connection, ids, _) => ForgetKeysOfAsync(keys, connection, ids), (_, _) => Task.CompletedTask);

        yield return new FollowedTable(
            AccessRows.PrincipalsTable,
            async (connection, names, cancellationToken) =>
            {
                foreach (var name in names)
                {
                    if (await table.FindPrincipalAsync(connection, name, cancellationToken) is { } principal)
                    {
                        access.Apply(principal);
                    }
                }
            },
            async (connection, cancellationToken) => access.Take(await table.LoadAsync(connection, cancellationToken)));
        yield return new FollowedTable(
            AccessRows.GrantsTable,
            async (connection, ids, cancellationToken) =>
            {
                foreach (var id in ids)
                {
                    if (await table.FindGrantAsync(connection, ulong.Parse(id, NumberStyles.HexNumber, CultureInfo.InvariantCulture), cancellationToken) is { } grant)
                    {
                        access.Apply(grant);
                    }
                }
            },
            (_, _) => Task.CompletedTask);
    }

    private static async Task ForgetKeysOfAsync(KeyRing keys, DbConnection connection, IReadOnlyCollection<string> versionIds)
    {
        foreach (var text in versionIds)
        {
            if (KeyVersionId.TryParse(text, out var id)
                && await connection.ExecuteScalarAsync<string?>(
                    "SELECT key_name FROM key_versions WHERE id = @id", new { id = KeyTables.Signed(id) }) is { } name)
            {
                keys.Forget(name);
            }
        }
    }
}
