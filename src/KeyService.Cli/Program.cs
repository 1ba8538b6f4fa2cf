using KeyService.Cli.CommandLine;
using KeyService.Crypto;

ProcessHardening.DisableCoreDumps();
return await CommandRunner.RunAsync(args).ConfigureAwait(false);
