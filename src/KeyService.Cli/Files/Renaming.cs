using System.ComponentModel;
using System.Runtime.InteropServices;

namespace KeyService.Cli.Files;

/// <summary>rename(2) that can refuse to replace: checking first and renaming then would leave a gap in between.</summary>
internal static partial class Renaming
{
    private const int AtCurrentDirectory = -100;
    private const uint NoReplace = 1;
    private const int FileExists = 17;
    private const int InvalidArgument = 22;
    private const int NotImplemented = 38;

    /// <summary>Gives the file its name; false when that name is taken and <paramref name="replace"/> is not wanted.</summary>
    public static bool TryRename(string from, string to, bool replace)
    {
        if (replace || !OperatingSystem.IsLinux())
        {
            File.Move(from, to, replace);
            return true;
        }
        if (RenameAt2(AtCurrentDirectory, from, AtCurrentDirectory, to, NoReplace) == 0)
        {
            return true;
        }
        var error = Marshal.GetLastPInvokeError();
        switch (error)
        {
            case FileExists:
                return false;
            case InvalidArgument or NotImplemented when !Path.Exists(to):
                // A file system without RENAME_NOREPLACE (NFS, some FUSE): the check above leaves a gap, which is all it offers.
                File.Move(from, to, overwrite: false);
                return true;
            case InvalidArgument or NotImplemented:
                return false;
            default:
                throw new IOException($"Cannot rename {from} to {to}: {Marshal.GetPInvokeErrorMessage(error)}.", new Win32Exception(error));
        }
    }

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int fromDirectory, string from, int toDirectory, string to, uint flags);
}
