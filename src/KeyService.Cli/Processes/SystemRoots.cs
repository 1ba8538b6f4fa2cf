using System.Runtime.InteropServices;
using System.Security.Cryptography.X509Certificates;

namespace KeyService.Cli.Processes;

/// <summary>
/// Leaves the machine's own certificate authorities unread. This command believes the authority of its profile and no
/// other, but .NET on Linux parses all that are installed as soon as any certificate is prepared for TLS: a quarter of the
/// time that a short command takes (docs/adr/0070). OpenSSL's variables name where they lie; they are put back at once,
/// so that nothing that this command starts sees them. For the command only: a library must not do this to its process.
/// </summary>
internal static partial class SystemRoots
{
    private const string Nowhere = "/nonexistent";
    private static readonly string[] Variables = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

    public static void Ignore()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }
        var before = Array.ConvertAll(Variables, Environment.GetEnvironmentVariable);
        Array.ForEach(Variables, name => _ = Set(name, Nowhere, overwrite: 1));
        try
        {
            // Opening the store reads the two variables, once for the process.
            using var store = new X509Store(StoreName.Root, StoreLocation.LocalMachine);
            store.Open(OpenFlags.ReadOnly);
            _ = store.Certificates;
        }
        finally
        {
            for (var i = 0; i < Variables.Length; i++)
            {
                _ = before[i] is { } value ? Set(Variables[i], value, overwrite: 1) : Unset(Variables[i]);
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Set(string name, string value, int overwrite);

    [LibraryImport("libc", EntryPoint = "unsetenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Unset(string name);
}
