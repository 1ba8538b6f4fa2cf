using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace KeyService.Server.Storage.Postgres;

/// <summary>
/// The two numbers of each advisory lock: a class of ours and what is locked. They are part of what servers of different versions agree on.
/// </summary>
internal static class AdvisoryLocks
{
    /// <summary>"KSRV": locks there is one of.</summary>
    public const int General = 0x4B535256;

    /// <summary>Held while the schema is brought forward.</summary>
    public const int Migrations = 1;

    /// <summary>Held to the end of each transaction that changes state, so that changes of all servers run one after another.</summary>
    public const int Changes = 2;

    /// <summary>Held by whoever makes a partition; the SQL function names it by number.</summary>
    public const int Partitions = 4;

    /// <summary>"KSRS": log slots, by their number; held as long as the session that writes the slot.</summary>
    public const int Slots = 0x4B535253;

    /// <summary>"KSRO": roles that one server has at a time.</summary>
    public const int Roles = 0x4B53524F;

    public static int OfRole(string role) => BinaryPrimitives.ReadInt32BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(role)));
}
